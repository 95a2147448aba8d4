import type { Duration } from '../../proto/types/google/protobuf/Duration.js';
import type { Struct } from '../../proto/types/google/protobuf/Struct.js';
import type { Timestamp } from '../../proto/types/google/protobuf/Timestamp.js';
import type { Value } from '../../proto/types/google/protobuf/Value.js';
import type { ContainerSpec as WireSpec } from '../../proto/types/portlayer/execution/v1/ContainerSpec.js';
import type { TriggerPolicy as WireTrigger } from '../../proto/types/portlayer/execution/v1/TriggerPolicy.js';
import type { ContainerSpec, Memo, Task, TriggerPolicy } from './containers.js';

/** `running` with prefix `CONTAINER_STATE_` is `CONTAINER_STATE_RUNNING`, of the enum type `E`. */
export function enumOf<E extends string | number>(prefix: string, word: string): E {
  return `${prefix}${word.toUpperCase().replaceAll('-', '_')}` as E;
}

/** A duration of so many milliseconds. */
export function durationOf(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** A moment. */
export function timestampOf(date: Date): Timestamp {
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, nanos: (date.getTime() - seconds * 1000) * 1e6 };
}

/** A spec as CreateContainer takes it; what is absent stays absent. */
export function specToWire(spec: ContainerSpec): WireSpec {
  const { labels, task, volumes, network, trigger, executorOptions, secrets, memo, ...same } = spec;
  return {
    ...same,
    task: taskToWire(task),
    ...(labels && { labels: { ...labels } }),
    ...(volumes && { volumes: [...volumes] }),
    ...(network && { network: enumOf<'NETWORK_HOST'>('NETWORK_', network) }),
    ...(trigger && { trigger: triggerToWire(trigger) }),
    ...(executorOptions && { executorOptions: structToWire(executorOptions) }),
    ...(secrets && { secrets: [...secrets] }),
    ...(memo && { memo: memoToWire(memo) }),
  };
}

function memoToWire({ enabled, inputs, ignoreEnv, ttlMs }: Memo): NonNullable<WireSpec['memo']> {
  return {
    ...(enabled !== undefined && { enabled }),
    ...(inputs && { inputs: [...inputs] }),
    ...(ignoreEnv && { ignoreEnv: [...ignoreEnv] }),
    ...(ttlMs !== undefined && { ttl: durationOf(ttlMs) }),
  };
}

/** A trigger policy. */
export function triggerToWire(trigger: TriggerPolicy): WireTrigger {
  return { ...trigger, mechanisms: [...(trigger.mechanisms ?? [])] };
}

function taskToWire(task: Task): NonNullable<WireSpec['task']> {
  const { argv, env, exitCode, ...same } = task;
  const { signalTimeoutMs, maxDurationMs, ...numbers } = exitCode ?? {};
  return {
    ...same,
    argv: [...argv],
    ...(env && { env: { ...env } }),
    ...(exitCode && {
      exitCode: {
        ...numbers,
        ...(signalTimeoutMs !== undefined && { signalTimeout: durationOf(signalTimeoutMs) }),
        ...(maxDurationMs !== undefined && { maxDuration: durationOf(maxDurationMs) }),
      },
    }),
  };
}

function structToWire(values: Readonly<Record<string, unknown>>): Struct {
  return {
    fields: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, valueToWire(value)])),
  };
}

function valueToWire(value: unknown): Value {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(valueToWire) } };
  if (typeof value === 'object' && value !== null)
    return { structValue: structToWire(value as Record<string, unknown>) };
  return { nullValue: 'NULL_VALUE' };
}
