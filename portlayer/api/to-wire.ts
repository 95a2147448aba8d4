import type { Duration } from '../../proto/types/google/protobuf/Duration.js';
import type { Struct } from '../../proto/types/google/protobuf/Struct.js';
import type { Timestamp } from '../../proto/types/google/protobuf/Timestamp.js';
import type { Value } from '../../proto/types/google/protobuf/Value.js';
import type { Checkpoint } from '../../proto/types/portlayer/execution/v1/Checkpoint.js';
import type { CheckpointState as WireCheckpointState } from '../../proto/types/portlayer/execution/v1/CheckpointState.js';
import type { Container } from '../../proto/types/portlayer/execution/v1/Container.js';
import type { ContainerExit as WireExit } from '../../proto/types/portlayer/execution/v1/ContainerExit.js';
import type { ContainerSpec as WireSpec } from '../../proto/types/portlayer/execution/v1/ContainerSpec.js';
import type { CheckpointRecord, CheckpointState, PhaseTimes } from '../model/checkpoint-record.js';
import type { ContainerExit, ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { MemoOutcome } from '../model/memo-spec.js';

/** `running` with prefix `CONTAINER_STATE_` is `CONTAINER_STATE_RUNNING`. The words and the enums are the same lists. */
export function enumValue<P extends string, W extends string>(prefix: P, word: W): `${P}${Shout<W>}` {
  return `${prefix}${word.toUpperCase().replaceAll('-', '_')}` as `${P}${Shout<W>}`;
}

/** `exit-code` as an enum writes it: `EXIT_CODE`. */
type Shout<W extends string> = W extends `${infer A}-${infer B}`
  ? `${Uppercase<A>}_${Shout<B>}`
  : Uppercase<W>;

/** A moment in milliseconds since 1970. */
export function timestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** A state of a checkpoint's life. */
export function checkpointState(state: CheckpointState): WireCheckpointState {
  return enumValue('CHECKPOINT_STATE_', state);
}

/** A container as it is. */
export function containerToWire(record: ContainerRecord): Container {
  return {
    spec: specToWire(record.spec),
    uid: record.uid,
    state: enumValue('CONTAINER_STATE_', record.state),
    generation: record.generation,
    createdAt: timestamp(record.createdAtMs),
    ...(record.startedAtMs !== undefined && { startedAt: timestamp(record.startedAtMs) }),
    ...(record.exit && { exit: exitToWire(record.exit) }),
    ...(record.restoredFrom !== undefined && { restoredFrom: record.restoredFrom }),
    ...(record.head !== undefined && { head: record.head }),
    iteration: record.loop?.iteration ?? 0,
    ...(record.boundCpus !== undefined && { boundCpus: record.boundCpus }),
    layers: record.layers.length,
    ...(record.memo && { memo: memoOutcome(record.memo) }),
  };
}

function memoOutcome({ key, hit, reason = '', checkpoint = '' }: MemoOutcome) {
  return { key, hit, reason, checkpoint };
}

/** How a container's life ended. Its message says why it could not run, where there is nothing better. */
export function exitToWire(exit: ContainerExit): WireExit {
  return {
    code: exit.code,
    signal: exit.signal,
    oomKilled: exit.oomKilled,
    reason: enumValue('EXIT_REASON_', exit.reason),
    message: exit.message ?? exit.failure ?? '',
    at: timestamp(exit.atMs),
  };
}

/** A checkpoint with its spec; of the image only what a caller can use. */
export function checkpointToWire(record: CheckpointRecord): Checkpoint {
  const { image, failure } = record;
  return {
    crid: record.crid,
    ordinal: record.ordinal,
    state: checkpointState(record.state),
    mechanism: record.mechanism,
    level: enumValue('LEVEL_', record.level),
    source: enumValue('TRIGGER_SOURCE_', record.source),
    container: record.container,
    spec: specToWire(record.spec),
    ...(record.parent !== undefined && { parent: record.parent }),
    labels: { ...record.labels },
    ...(record.published !== undefined && {
      published: record.published,
      tags: ['parent'],
      immutable: record.immutable === true,
    }),
    constraints: record.constraints.map(each => ({ ...each, level: enumValue('LEVEL_', each.level) })),
    phases: phasesToWire(record.phases),
    ...(image && {
      bytes: image.bytes,
      entries: image.entries,
      digest: image.digest,
      layers: image.layers.length,
    }),
    ...(record.iteration !== undefined && { iteration: record.iteration }),
    createdAt: timestamp(record.createdAtMs),
    ...(record.committedAtMs !== undefined && { committedAt: timestamp(record.committedAtMs) }),
    storedBytes: image?.storedBytes ?? 0,
    sources: [...(image?.sources ?? [])],
    pinned: record.pinned ?? false,
    ...(record.verified && { verifiedAt: timestamp(record.verified.atMs), verifiedBy: record.verified.by }),
    ...(record.quarantined && { quarantined: record.quarantined.reason }),
    ...(failure && { failure: { ...failure, phase: checkpointState(failure.phase) } }),
  };
}

function specToWire(spec: ContainerSpec): WireSpec {
  const { exitCode, ...task } = spec.task;
  return {
    ...spec,
    labels: { ...spec.labels },
    task: {
      ...task,
      argv: [...task.argv],
      env: { ...task.env },
      ...(exitCode && {
        exitCode: {
          checkpoint: exitCode.checkpoint,
          complete: exitCode.complete,
          signal: exitCode.signal,
          signalTimeout: duration(exitCode.signalTimeoutMs),
          maxIterations: exitCode.maxIterations,
          ...(exitCode.maxDurationMs > 0 && { maxDuration: duration(exitCode.maxDurationMs) }),
        },
      }),
    },
    volumes: [...spec.volumes],
    network: enumValue('NETWORK_', spec.network),
    trigger: { ...spec.trigger, mechanisms: [...spec.trigger.mechanisms] },
    secrets: [...(spec.secrets ?? [])],
    memo: !spec.memo
      ? null
      : {
          enabled: spec.memo.enabled,
          inputs: [...spec.memo.inputs],
          ignoreEnv: [...spec.memo.ignoreEnv],
          ttl: duration(spec.memo.ttlMs),
        },
    executorOptions: structToWire(spec.executorOptions),
  };
}

function phasesToWire(phases: PhaseTimes): Record<string, Duration> {
  const named = Object.entries(phases).map(([key, ms]) => [key.replace(/Ms$/, ''), duration(Number(ms))]);
  return Object.fromEntries(named) as Record<string, Duration>;
}

/** A span of milliseconds. */
export function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
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
