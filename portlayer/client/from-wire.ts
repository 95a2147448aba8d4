import type { Duration__Output } from '../../proto/types/google/protobuf/Duration.js';
import type { Struct__Output } from '../../proto/types/google/protobuf/Struct.js';
import type { Timestamp__Output } from '../../proto/types/google/protobuf/Timestamp.js';
import type { Value__Output } from '../../proto/types/google/protobuf/Value.js';
import type { Checkpoint__Output } from '../../proto/types/portlayer/execution/v1/Checkpoint.js';
import type { Container__Output } from '../../proto/types/portlayer/execution/v1/Container.js';
import type { ContainerExit__Output } from '../../proto/types/portlayer/execution/v1/ContainerExit.js';
import type { ContainerSpec__Output } from '../../proto/types/portlayer/execution/v1/ContainerSpec.js';
import type { LevelOffer__Output } from '../../proto/types/portlayer/execution/v1/LevelOffer.js';
import type { Memo__Output } from '../../proto/types/portlayer/execution/v1/Memo.js';
import type { MemoOutcome__Output } from '../../proto/types/portlayer/execution/v1/MemoOutcome.js';
import type { Task__Output } from '../../proto/types/portlayer/execution/v1/Task.js';
import type { Checkpoint, CheckpointState, PhaseTimes } from './checkpoints.js';
import type { Container, ContainerExit, ContainerSpec, Memo, Task } from './containers.js';
import type { Level, LevelOffer } from './levels.js';

/** `CONTAINER_STATE_RUNNING` with prefix `CONTAINER_STATE_` is `running`. A value newer than this client stays as it came. */
export function wordOf<T extends string>(prefix: string, value: string | number | undefined): T {
  const text = String(value ?? 'unspecified');
  const bare = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  return bare.toLowerCase().replaceAll('_', '-') as T;
}

/** A level's word. */
export function levelOf(value: string | number | undefined): Level {
  return wordOf<Level>('LEVEL_', value);
}

/** A moment; 1970 where it is unset. */
export function dateOf(value: Timestamp__Output | undefined): Date {
  return new Date((value?.seconds ?? 0) * 1000 + Math.floor((value?.nanos ?? 0) / 1e6));
}

/** The object without its undefined members. */
function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept: Partial<T> = {}; // A loop: with fromEntries this was a third of the time of a list.
  for (const key in values) if (values[key] !== undefined) kept[key] = values[key];
  return kept as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** A container as the service answered it. */
export function containerOf(wire: Container__Output | undefined): Container {
  return given({
    uid: wire?.uid ?? '',
    state: wordOf<Container['state']>('CONTAINER_STATE_', wire?.state),
    generation: wire?.generation ?? 0,
    spec: specOf(wire?.spec),
    createdAt: dateOf(wire?.createdAt),
    startedAt: wire?.startedAt && dateOf(wire.startedAt),
    exit: wire?.exit && exitOf(wire.exit),
    restoredFrom: wire?.restoredFrom,
    head: wire?.head,
    iteration: wire?.iteration ?? 0,
    boundCpus: wire?.boundCpus,
    layers: wire?.layers ?? 0,
    memo: wire?.memo && memoOf(wire.memo),
  });
}

function memoOf({ key = '', hit = false, reason = '', checkpoint = '' }: MemoOutcome__Output) {
  return { key, hit, reason, checkpoint };
}

/** How a container's life ended. */
export function exitOf(wire: ContainerExit__Output | undefined): ContainerExit {
  return {
    code: wire?.code ?? 0,
    signal: wire?.signal ?? 0,
    oomKilled: wire?.oomKilled ?? false,
    reason: wordOf<ContainerExit['reason']>('EXIT_REASON_', wire?.reason),
    message: wire?.message ?? '',
    at: dateOf(wire?.at),
  };
}

/** A checkpoint as the service answered it. */
export function checkpointOf(wire: Checkpoint__Output | undefined): Checkpoint {
  const { failure, phases } = wire ?? {};
  return given({
    crid: wire?.crid ?? '',
    ordinal: wire?.ordinal ?? 0,
    state: wordOf<CheckpointState>('CHECKPOINT_STATE_', wire?.state),
    mechanism: wire?.mechanism ?? '',
    level: levelOf(wire?.level),
    source: wordOf<Checkpoint['source']>('TRIGGER_SOURCE_', wire?.source),
    container: wire?.container ?? '',
    spec: specOf(wire?.spec),
    parent: wire?.parent,
    labels: wire?.labels ?? {},
    published: wire?.published,
    tags: wire?.tags ?? [],
    immutable: wire?.immutable || undefined,
    constraints: (wire?.constraints ?? []).map(({ level, key = '', relation = '', required = '' }) => ({
      level: levelOf(level),
      key,
      relation,
      required,
    })),
    phases: given({
      quiesceMs: msOf(phases?.quiesce),
      precopyMs: msOf(phases?.precopy),
      frozenMs: msOf(phases?.frozen),
      dumpMs: msOf(phases?.dump),
      commitMs: msOf(phases?.commit),
    }) as PhaseTimes,
    bytes: wire?.bytes ?? 0,
    entries: wire?.entries ?? 0,
    digest: wire?.digest,
    layers: wire?.layers ?? 0,
    storedBytes: wire?.storedBytes ?? 0,
    sources: wire?.sources ?? [],
    pinned: wire?.pinned ?? false,
    verifiedAt: wire?.verifiedAt && dateOf(wire.verifiedAt),
    verifiedBy: wire?.verifiedBy || undefined,
    quarantined: wire?.quarantined || undefined,
    iteration: wire?.iteration ?? 0,
    createdAt: dateOf(wire?.createdAt),
    committedAt: wire?.committedAt && dateOf(wire.committedAt),
    failure:
      failure &&
      given({
        phase: wordOf<CheckpointState>('CHECKPOINT_STATE_', failure.phase),
        code: failure.code ?? '',
        message: failure.message ?? '',
        remedy: failure.remedy,
      }),
  });
}

/** One environment, executor or loader. */
export function offerOf(wire: LevelOffer__Output): LevelOffer {
  const { fingerprint } = wire;
  return given({
    level: levelOf(wire.level),
    name: wire.name ?? '',
    environment: wire.environment,
    capabilities: wire.capabilities,
    fingerprint: fingerprint && {
      health: wordOf<'healthy'>('HEALTH_', fingerprint.health),
      description: fingerprint.description ?? '',
      findings: fingerprint.findings.map(({ key = '', value = '', reason, remedy, removes }) =>
        given({ key, value, reason: reason || undefined, remedy: remedy || undefined, removes }),
      ),
    },
  });
}

function specOf(wire: ContainerSpec__Output | undefined): ContainerSpec {
  return given({
    name: wire?.name ?? '',
    labels: wire?.labels ?? {},
    environment: wire?.environment,
    executor: wire?.executor,
    loader: wire?.loader,
    task: taskOf(wire?.task),
    rootfs: wire?.rootfs,
    hostname: wire?.hostname,
    volumes: (wire?.volumes ?? []).map(({ source = '', target = '', readOnly = false }) => ({
      source,
      target,
      readOnly,
    })),
    resources: given({ ...wire?.resources }),
    network: wordOf<'host' | 'none'>('NETWORK_', wire?.network),
    log: given({ ...wire?.log }),
    trigger: given({ ...wire?.trigger }),
    executorOptions: structOf(wire?.executorOptions),
    secrets: wire?.secrets?.length ? wire.secrets.map(secret => given({ ...secret })) : undefined,
    memo: wire?.memo && memoSpecOf(wire.memo),
  }) as ContainerSpec;
}

function memoSpecOf({ enabled = true, inputs, ignoreEnv, ttl }: Memo__Output): Memo {
  return { enabled, inputs, ignoreEnv, ttlMs: msOf(ttl) ?? 0 };
}

function taskOf(wire: Task__Output | undefined): Task {
  const { exitCode, user } = wire ?? {};
  return given({
    argv: wire?.argv ?? [],
    env: wire?.env ?? {},
    cwd: wire?.cwd,
    user: user && { uid: user.uid ?? 0, gid: user.gid ?? 0 },
    exitCode:
      exitCode &&
      given({
        checkpoint: exitCode.checkpoint,
        complete: exitCode.complete,
        signal: exitCode.signal,
        signalTimeoutMs: msOf(exitCode.signalTimeout),
        maxIterations: exitCode.maxIterations,
        maxDurationMs: msOf(exitCode.maxDuration),
      }),
  }) as Task;
}

/** Milliseconds of a span. */
export function msOf(wire: Duration__Output | undefined): number | undefined {
  return wire && (wire.seconds ?? 0) * 1000 + (wire.nanos ?? 0) / 1e6;
}

function structOf(wire: Struct__Output | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wire?.fields ?? {}).map(([key, value]) => [key, plainOf(value)]));
}

function plainOf(wire: Value__Output): unknown {
  if (wire.structValue) return structOf(wire.structValue);
  if (wire.listValue) return (wire.listValue.values ?? []).map(plainOf);
  return wire.stringValue ?? wire.numberValue ?? wire.boolValue ?? null;
}
