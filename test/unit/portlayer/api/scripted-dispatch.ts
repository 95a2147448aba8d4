import { PassThrough } from 'node:stream';
import type { Dispatch, LevelReport, TargetReport } from '../../../../portlayer/dispatch/dispatch.js';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import type { ContainerRecord } from '../../../../portlayer/model/container-record.js';
import { type ContainerSpec, compileContainerSpec } from '../../../../portlayer/model/container-spec.js';

/** The moment at which everything in these tests happens. */
export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** A container whose every field is set. */
export function sampleContainer(name = 'web', change: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    uid: '01K4XZ6Q0V9J3T8W2R5YB7N1MD',
    spec: sampleSpec(name),
    state: 'running',
    generation: 7,
    createdAtMs: NOW_MS,
    startedAtMs: NOW_MS + 1,
    layers: ['a', 'b'],
    restoredFrom: '01K4XZ6Q0V9J3T8W2R5YB7N1C0',
    head: '01K4XZ6Q0V9J3T8W2R5YB7N1C1',
    loop: { iteration: 3, startedAtMs: NOW_MS },
    boundCpus: 1.5,
    ...change,
  };
}

/** A spec whose every field is set. */
export function sampleSpec(name = 'web'): ContainerSpec {
  return compileContainerSpec({
    name,
    labels: { app: 'shop' },
    environment: 'local',
    executor: 'fake',
    loader: 'init',
    task: {
      argv: ['/bin/loop', '--fast'],
      env: { A: '1' },
      cwd: '/srv',
      user: { uid: 1000, gid: 100 },
      exitCode: {
        checkpoint: 85,
        complete: 0,
        signalTimeoutMs: 1500,
        maxIterations: 10,
        maxDurationMs: 60_000,
      },
    },
    rootfs: '/images/base',
    hostname: 'web-1',
    volumes: [{ source: '/data', target: '/data', readOnly: true }],
    resources: { cpus: 0.5, memoryBytes: 536_870_912, pids: 64 },
    network: 'none',
    trigger: { allow: true, mechanisms: ['exit-code'], perMinute: 5 },
    executorOptions: { fast: true, list: [1, 'two', null, { three: 3 }] },
  });
}

/** A published, committed checkpoint whose every field is set. */
export function sampleCheckpoint(
  crid = '01K4XZ6Q0V9J3T8W2R5YB7N1C1',
  change: Partial<CheckpointRecord> = {},
): CheckpointRecord {
  return {
    crid,
    ordinal: 12,
    state: 'committed',
    mechanism: 'exit-code',
    level: 'task',
    source: 'guest',
    container: 'web',
    containerUid: '01K4XZ6Q0V9J3T8W2R5YB7N1MD',
    spec: sampleSpec(),
    parent: '01K4XZ6Q0V9J3T8W2R5YB7N1C0',
    labels: { step: '3' },
    published: 'web:warm',
    constraints: [{ level: 'executor', key: 'architecture', relation: 'equal', required: 'x86_64' }],
    phases: { quiesceMs: 1.5, dumpMs: 20, commitMs: 3000 },
    image: {
      bytes: 1_258_291,
      entries: 42,
      digest: `sha256:${'0'.repeat(64)}`,
      layers: ['a', 'b'],
      files: {},
      storedBytes: 1_048_576,
      sources: ['01K4XZ6Q0V9J3T8W2R5YB7N1C0'],
    },
    pinned: true,
    verified: { atMs: NOW_MS, by: 'image' },
    quarantined: {
      atMs: NOW_MS,
      code: 'CHECKPOINT_CORRUPT',
      reason: 'a page has not the hash it was stored with',
    },
    iteration: 3,
    createdAtMs: NOW_MS,
    committedAtMs: NOW_MS + 5,
    ...change,
  };
}

/** One level of each kind, with one thing missing. */
export const SAMPLE_LEVELS: readonly LevelReport[] = [
  {
    level: 'environment',
    name: 'local',
    capabilities: ['run'],
    fingerprint: {
      level: 'environment',
      name: 'local',
      health: 'healthy',
      description: 'This Linux host.',
      findings: [],
    },
  },
  {
    level: 'executor',
    name: 'process',
    environment: 'local',
    capabilities: ['run', 'bind'],
    fingerprint: {
      level: 'executor',
      name: 'process',
      health: 'degraded',
      description: 'Runs tasks in namespaces.',
      findings: [
        {
          key: 'cgroup-freezer',
          value: 'no',
          reason: 'cgroup v2 is not mounted',
          remedy: 'mount -t cgroup2 none /sys/fs/cgroup',
          removes: ['bind'],
        },
      ],
    },
  },
];

/** What was called, in order: the method's name and its arguments without signals and callbacks. */
export type CallLog = { method: string; args: unknown[] }[];

/** The callback that RestoreCheckpoint always gives is no part of what was asked. */
function withoutFellBack(arg: unknown): unknown {
  if (typeof arg !== 'object' || arg === null || !('fellBack' in arg)) return arg;
  const { fellBack: _, ...rest } = arg;
  return rest;
}

/** A dispatch that answers every call with a sample, unless the test scripts it; `calls` records what arrived. */
export function scriptedDispatch(script: Partial<Dispatch> = {}): { dispatch: Dispatch; calls: CallLog } {
  const calls: CallLog = [];
  const answers: Dispatch = { ...sampleAnswers(), ...script };
  const dispatch = Object.fromEntries(
    Object.entries(answers).map(([method, answer]) => [
      method,
      (...args: unknown[]) => {
        calls.push({
          method,
          args: args
            .filter(arg => !(arg instanceof AbortSignal) && typeof arg !== 'function')
            .map(withoutFellBack),
        });
        return (answer as (...all: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as Dispatch;
  return { dispatch, calls };
}

function sampleAnswers(): Dispatch {
  const container = async () => sampleContainer();
  const checkpoint = async () => sampleCheckpoint();
  return {
    createContainer: async () => sampleContainer('web', { state: 'created' }),
    startContainer: container,
    moveContainer: async () => ({
      container: sampleContainer(),
      checkpoint: sampleCheckpoint().crid,
      downtimeMs: 7,
    }),
    stopContainer: container,
    killContainer: container,
    removeContainer: async () => {},
    getContainer: container,
    listContainers: async (_filter, page) => ({
      items: [sampleContainer()],
      ...(page.size < 1000 && { nextPageToken: 'next' }),
    }),
    waitContainer: async () => ({ code: 137, signal: 9, oomKilled: true, reason: 'stopped', atMs: NOW_MS }),
    async *logs() {
      yield { stream: 'stdout', atMs: NOW_MS, text: 'hello', endsLine: true };
      yield { stream: 'stderr', atMs: NOW_MS, text: 'part', endsLine: false };
    },
    exec: async (_name, command) => echoSession(command.argv),
    bindContainer: container,
    updateContainer: container,
    async createCheckpoint(_id, _request, progress) {
      const { crid } = sampleCheckpoint();
      for (const state of ['requested', 'dumping', 'captured'] as const)
        progress({ crid, state, atMs: NOW_MS });
      for (const doneBytes of [100, 200])
        progress({ crid, state: 'committing', atMs: NOW_MS, written: { doneBytes, totalBytes: 300 } });
      progress({ crid, state: 'committed', atMs: NOW_MS });
      return sampleCheckpoint();
    },
    getCheckpoint: checkpoint,
    listCheckpoints: async () => ({ items: [sampleCheckpoint()] }),
    checkpointTree: async () => [
      { checkpoint: sampleCheckpoint('01K4XZ6Q0V9J3T8W2R5YB7N1C0'), parentIndex: -1, containers: ['web-f1'] },
      { checkpoint: sampleCheckpoint(), parentIndex: 0, containers: [] },
    ],
    publishCheckpoint: checkpoint,
    removeCheckpoint: async () => {},
    commitCheckpoint: checkpoint,
    pinCheckpoint: checkpoint,
    async coalesceCheckpoint(_id, _checkpoint, progress) {
      progress(1024, 2048);
      return sampleCheckpoint();
    },
    async *verifyCheckpoints() {
      yield { crid: sampleCheckpoint().crid, bytes: 4096, done: 1, total: 1 };
    },
    diffCheckpoints: async () => [
      { path: 'dump/ram', kind: 'changed', fromBytes: 8192, toBytes: 8192, changedBytes: 4096 },
    ],
    async *exportCheckpoint() {
      yield { totalBytes: 3, data: Buffer.alloc(0) };
      yield { totalBytes: 3, data: Buffer.from('tar') };
    },
    async importCheckpoint(chunks) {
      for await (const _ of chunks) {
        // Taken in.
      }
      return sampleCheckpoint();
    },
    async *collectGarbage() {
      yield { kind: 'data', id: sampleCheckpoint().crid, bytes: 4096 };
    },
    restoreCheckpoint: container,
    async *fork() {
      yield { index: 0, name: 'web-f1', container: sampleContainer('web-f1') };
      yield {
        index: 1,
        name: 'web-f2',
        error: new PortLayerError('STORE_FULL', 'No room.', { remedy: 'Free space.' }),
      };
    },
    async *events() {
      yield {
        sequence: 5,
        atMs: NOW_MS,
        subject: 'container',
        id: 'web',
        type: 'running',
        facts: { a: 'b' },
      };
    },
    levels: async () => SAMPLE_LEVELS,
    capabilities: async () => ({
      negotiated: {
        available: new Map([['run', { level: 'executor', name: 'process' }]]),
        withheld: [{ tag: 'bind', level: 'executor', name: 'process', reason: 'cgroup-freezer: no' }],
        offers: SAMPLE_LEVELS,
      },
      mechanisms: [
        {
          mechanism: 'exit-code',
          level: 'task',
          chosen: true,
          reason: 'the task has it',
          keeps: ['disk'],
          loses: ['memory'],
          preserves: 'disk',
          restores: 'elsewhere',
        },
      ],
    }),
    checkRestore: async (_, environment = 'local') => sampleTarget(environment),
    listTargets: async () => [
      { ...sampleTarget('local') },
      { ...sampleTarget('build-2'), unusable: 'no answer' },
    ],
    planCheckpoint: async () => [
      {
        mechanism: 'criu',
        level: 'executor',
        chosen: true,
        reason: 'least constrained level that keeps process (executor)',
        keeps: ['memory'],
        loses: ['volumes'],
        preserves: 'process',
        restores: 'elsewhere',
        rank: 0,
        estimate: {
          pauseMs: { low: 20, likely: 40, high: 80, samples: 3 },
          totalMs: { low: 50, likely: 70, high: 98, samples: 3 },
          bytes: { low: 1e6, likely: 2e6, high: 4e6, samples: 3 },
          from: 'container',
        },
      },
    ],
  };
}

/** A checkpoint held against an environment whose kernel is too old. */
function sampleTarget(environment: string): TargetReport {
  const kernel = { level: 'environment', key: 'kernel', relation: 'at-least', required: '6.1' } as const;
  return {
    environment,
    fits: false,
    verdicts: [{ ...kernel, found: '5.10.0', met: false }],
    changes: [{ what: 'Bring kernel from 5.10.0 to 6.1 or newer.', meets: ['environment kernel'] }],
  };
}

/** A command that says its argv on stderr, echoes stdin to stdout, and exits 3. */
function echoSession(argv: readonly string[]) {
  const through = new PassThrough();
  return {
    stdin: through,
    stdout: through as AsyncIterable<Buffer>,
    stderr: (async function* () {
      yield Buffer.from(argv.join(' '));
    })(),
    exited: new Promise<{ code: number }>(resolve => through.once('end', () => resolve({ code: 3 }))),
  };
}
