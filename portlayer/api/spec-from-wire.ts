import type { Struct__Output } from '../../proto/types/google/protobuf/Struct.js';
import type { Value__Output } from '../../proto/types/google/protobuf/Value.js';
import type { ContainerSpec__Output } from '../../proto/types/portlayer/execution/v1/ContainerSpec.js';
import type { ExitCode__Output } from '../../proto/types/portlayer/execution/v1/ExitCode.js';
import type { Memo__Output } from '../../proto/types/portlayer/execution/v1/Memo.js';
import type { Resources__Output } from '../../proto/types/portlayer/execution/v1/Resources.js';
import type { Secret__Output } from '../../proto/types/portlayer/execution/v1/Secret.js';
import type { Task__Output } from '../../proto/types/portlayer/execution/v1/Task.js';
import type { TriggerPolicy__Output } from '../../proto/types/portlayer/execution/v1/TriggerPolicy.js';
import type { User__Output } from '../../proto/types/portlayer/execution/v1/User.js';
import type { ResourceSpec, TriggerPolicy } from '../model/container-spec.js';
import { count, cpus, durationMs, given, invalid, optionalText, requiredText, word } from './from-wire.js';

/**
 * A spec in the shape of `ContainerSpec`, with what the caller left unset left out: `dispatch.createContainer` fills
 * the defaults and checks the rest.
 */
export function specFromWire(spec: ContainerSpec__Output | undefined): object {
  if (!spec) throw invalid('spec', 'given', undefined);
  return given({
    name: requiredText('spec.name', spec.name),
    labels: spec.labels,
    environment: optionalText(spec.environment),
    executor: optionalText(spec.executor),
    loader: optionalText(spec.loader),
    task: taskFromWire(spec.task),
    rootfs: spec.rootfs,
    hostname: spec.hostname,
    volumes: spec.volumes.map(volume => ({
      source: volume.source ?? '',
      target: volume.target ?? '',
      readOnly: volume.readOnly ?? false,
    })),
    resources: spec.resources && resourcesFromWire('spec.resources', spec.resources),
    network: word('spec.network', 'NETWORK_', ['host', 'none'], spec.network),
    log:
      spec.log &&
      given({
        maxBytes:
          spec.log.maxBytes === undefined ? undefined : count('spec.log.max_bytes', spec.log.maxBytes),
        maxFiles: spec.log.maxFiles,
      }),
    trigger: spec.trigger && triggerFromWire(spec.trigger),
    executorOptions: spec.executorOptions && structFromWire(spec.executorOptions),
    secrets: spec.secrets.length === 0 ? undefined : spec.secrets.map(secretFromWire),
    memo: spec.memo && memoFromWire(spec.memo),
  });
}

/** Limits; an unset one is left out. */
export function resourcesFromWire(field: string, resources: Resources__Output): ResourceSpec {
  return given({
    cpus: resources.cpus === undefined ? undefined : cpus(`${field}.cpus`, resources.cpus),
    memoryBytes:
      resources.memoryBytes === undefined ? undefined : count(`${field}.memory_bytes`, resources.memoryBytes),
    pids: resources.pids,
  });
}

/** A trigger policy; what is unset is left out, an empty list of mechanisms is all of them. */
export function triggerFromWire(trigger: TriggerPolicy__Output): Partial<TriggerPolicy> {
  const { allow, mechanisms, perMinute, maxCheckpoints, maxBytes } = trigger;
  return given({ allow, mechanisms, perMinute, maxCheckpoints, maxBytes });
}

function secretFromWire({ name, source, env, target }: Secret__Output): object {
  return given({ name: name ?? '', source: source ?? '', env, target });
}

function memoFromWire({ enabled, inputs, ignoreEnv, ttl }: Memo__Output): object {
  return given({ enabled, inputs, ignoreEnv, ttlMs: durationMs('spec.memo.ttl', ttl) });
}

/** A numeric user and group; unset is 0. */
export function userFromWire(user: User__Output): { uid: number; gid: number } {
  return { uid: user.uid ?? 0, gid: user.gid ?? 0 };
}

function taskFromWire(task: Task__Output | undefined): object {
  if (!task) throw invalid('spec.task', 'given', undefined);
  if (task.argv.length === 0) throw invalid('spec.task.argv', 'a command of at least one word', task.argv);
  return given({
    argv: task.argv,
    env: task.env,
    cwd: task.cwd,
    user: task.user && userFromWire(task.user),
    exitCode: task.exitCode && exitCodeFromWire(task.exitCode),
  });
}

function exitCodeFromWire(exitCode: ExitCode__Output): object {
  return given({
    checkpoint: exitCode.checkpoint,
    complete: exitCode.complete,
    signal: exitCode.signal,
    signalTimeoutMs: durationMs('spec.task.exit_code.signal_timeout', exitCode.signalTimeout),
    maxIterations: exitCode.maxIterations,
    maxDurationMs: durationMs('spec.task.exit_code.max_duration', exitCode.maxDuration),
  });
}

function structFromWire(struct: Struct__Output): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(struct.fields ?? {}).map(([key, value]) => [key, valueFromWire(value)]),
  );
}

function valueFromWire(value: Value__Output): unknown {
  if (value.structValue) return structFromWire(value.structValue);
  if (value.listValue) return (value.listValue.values ?? []).map(valueFromWire);
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null;
}
