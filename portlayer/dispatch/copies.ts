import { PortLayerError } from '../errors/port-layer-error.js';
import { type CheckpointRecord, isUsable } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { checkName } from '../model/ids.js';
import { bringerOf } from './bring-copy.js';
import { caller } from './caller.js';
import type { Calls } from './calls.js';
import { layersOf } from './checkpoints.js';
import { type Core, executorOf, recordOf } from './core.js';
import { compileSpec, type Origin, recordContainer } from './create-container.js';
import type { Dispatch, ForkOutcome, ForkRequest, RestoreRequest } from './dispatch.js';
import { dropUnusedLayers } from './drop-layers.js';
import { findCheckpoint, findContainer } from './find.js';
import { fitting } from './fitting.js';
import { bringLayersBack } from './layer-cache.js';
import type { Runs } from './runs.js';
import { inheritSecrets } from './secrets.js';
import { soundSource } from './sound-source.js';
import { fillStandbys } from './standbys.js';
import { notUsable } from './usable.js';

/** So many copies of one fork are started at a time. */
const AT_ONCE = 64;

/** The calls that make containers from checkpoints. `checkpoints` is used to fork a container. */
export function copyCalls(
  core: Core,
  calls: Calls,
  runs: Runs,
  checkpoints: Pick<Dispatch, 'createCheckpoint'>,
): Pick<Dispatch, 'restoreCheckpoint' | 'fork'> {
  return {
    restoreCheckpoint: (requestId, request, signal) =>
      calls.once(requestId, 'RestoreCheckpoint', { ...request }, async () => {
        const sound = await soundSource(core, request.checkpoint, ({ crid }) => request.fellBack?.(crid));
        const record = await fitting(core, sound, request, request.environment);
        signal.throwIfAborted();
        if (request.inPlace) return restoreInPlace(core, runs, record, request);
        const name = request.name ?? freeName(core, `${record.container}-r`);
        const copied = await copy(core, runs, record, name, request.labels, request.environment);
        fillStandbys(core, record.crid);
        return copied;
      }),

    async *fork(requestId, request, signal) {
      requireCount(request.count);
      const record = await sourceOf(core, checkpoints, requestId, request, signal);
      const names = await calls.once(
        requestId === '' ? '' : `${requestId}/names`,
        'Fork',
        request,
        async () => forkNames(core, record, request),
      );
      yield* inParallel(names, signal, name =>
        copy(core, runs, record, name, request.labels, request.environment),
      );
      fillStandbys(core, record.crid);
      core.audit.record({
        who: caller(),
        what: 'Fork',
        on: record.crid,
        outcome: 'allowed',
        why: `${names.length} copies`,
      });
    },
  };
}

/** A new container that runs on from a checkpoint. */
export async function copy(
  core: Core,
  runs: Runs,
  from: CheckpointRecord,
  name: string,
  labels: Readonly<Record<string, string>>,
  environment = from.spec.environment,
): Promise<ContainerRecord> {
  const spec = await compileSpec(core, { ...copySpec(from.spec, name, labels), environment });
  // Its layers must not be removed before the copy is known to stack them.
  const record = await core.locks.run(layersOf(from.crid), 'restore', async () =>
    recordContainer(core, spec, originOf(requireUsable(findCheckpoint(core, from.crid)))),
  );
  await inheritSecrets(core, from.containerUid, record.uid, spec);
  return core.locks.run(record.uid, 'restore', async () => {
    const now = recordOf(core, record.uid);
    if (now.state !== 'created') return now;
    await bringLayersBack(core, from, spec);
    return runs.begin(record.uid, bringerOf(core, from, spec));
  });
}

/** The exited container that a checkpoint was taken of goes back to it: what its disk held since is discarded. */
async function restoreInPlace(
  core: Core,
  runs: Runs,
  from: CheckpointRecord,
  request: RestoreRequest,
): Promise<ContainerRecord> {
  if (request.name !== undefined) {
    throw new PortLayerError('INVALID_SPEC', 'A restore in place has no new name.', {
      required: 'either a name or in place',
      found: `both (${request.name})`,
      remedy: 'Leave the name out.',
      facts: { field: 'name' },
    });
  }
  const { uid } = findContainer(core, from.container);
  return core.locks.run(uid, 'restore', async () => {
    const record = recordOf(core, uid);
    if (record.uid !== from.containerUid || (record.state !== 'exited' && record.state !== 'created')) {
      throw new PortLayerError('WRONG_STATE', `Checkpoint ${from.crid} cannot be restored in place.`, {
        required: `the container ${from.container} it was taken of, exited`,
        found: record.uid === from.containerUid ? record.state : 'another container of the same name',
        remedy: `Stop it first (portlayer stop ${from.container}), or restore as a new container with --name.`,
        facts: { crid: from.crid, state: record.state },
      });
    }
    await executorOf(core, record.spec).disk.discard(uid);
    const { loop: _, exit: __, ...kept } = record;
    core.ledger.write({
      container: { ...kept, ...originOf(from), state: 'created' },
      type: 'restoring',
      facts: { checkpoint: from.crid },
    });
    await bringLayersBack(core, from);
    const begun = await runs.begin(uid, bringerOf(core, from));
    await dropUnusedLayers(core, record.spec, record.layers);
    return begun;
  });
}

/** What a container that runs on from a checkpoint begins with. */
export function originOf(from: CheckpointRecord): Origin {
  return {
    layers: from.image?.layers ?? [],
    restoredFrom: from.crid,
    head: from.crid,
    ...(from.iteration === undefined ? {} : { loop: { iteration: from.iteration, startedAtMs: Date.now() } }),
  };
}

function copySpec(
  spec: ContainerSpec,
  name: string,
  labels: Readonly<Record<string, string>>,
): ContainerSpec {
  const { hostname: _, ...rest } = spec;
  return { ...rest, name, labels: { ...spec.labels, ...labels } };
}

function requireUsable(record: CheckpointRecord): CheckpointRecord {
  if (isUsable(record)) return record;
  throw notUsable(record);
}

async function sourceOf(
  core: Core,
  checkpoints: Pick<Dispatch, 'createCheckpoint'>,
  requestId: string,
  request: ForkRequest,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  if ('checkpoint' in request.source)
    return fitting(core, await soundSource(core, request.source.checkpoint), request, request.environment);
  const { container } = request.source;
  const record = await checkpoints.createCheckpoint(
    requestId === '' ? '' : `${requestId}/checkpoint`,
    { container, labels: {}, durability: 'captured', stopAfter: false },
    () => {},
    signal,
  );
  return fitting(core, findCheckpoint(core, record.crid), request, request.environment);
}

function forkNames(core: Core, record: CheckpointRecord, request: ForkRequest): string[] {
  if (request.namePrefix !== undefined) {
    const names = Array.from({ length: request.count }, (_, i) => `${request.namePrefix}-${i + 1}`);
    for (const name of names) checkName('name_prefix', name);
    return names;
  }
  const names: string[] = [];
  while (names.length < request.count) names.push(freeName(core, `${record.container}-f`, names));
  return names;
}

/** `PREFIX1`, `PREFIX2`, …: the first that no container has. A long prefix is cut to leave room for the number. */
function freeName(core: Core, prefix: string, taken: readonly string[] = []): string {
  const base = prefix.length > 56 ? `${prefix.slice(0, 54)}${prefix.slice(-2)}` : prefix;
  for (let n = taken.length + 1; ; n++) {
    const name = `${base}${n}`;
    if (!core.catalog.container(name) && !taken.includes(name)) return name;
  }
}

/** Starts the copies, `AT_ONCE` at a time, and yields each outcome as it is there. */
async function* inParallel(
  names: readonly string[],
  signal: AbortSignal,
  begin: (name: string) => Promise<ContainerRecord>,
): AsyncIterable<ForkOutcome> {
  const waiting = names.map((name, index) => ({ name, index }));
  const running = new Map<number, Promise<ForkOutcome>>();
  while (waiting.length > 0 || running.size > 0) {
    while (running.size < AT_ONCE && waiting.length > 0 && !signal.aborted) {
      const { name, index } = waiting.shift()!;
      const outcome = begin(name).then(
        (container): ForkOutcome => ({ index, name, container }),
        (error: unknown): ForkOutcome => ({ index, name, error }),
      );
      running.set(index, outcome);
    }
    if (running.size === 0) return;
    const done = await Promise.race(running.values());
    running.delete(done.index);
    yield done;
  }
}

function requireCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= 1000) return;
  throw new PortLayerError('INVALID_SPEC', 'That many copies cannot be made.', {
    required: 'a count of 1 to 1000',
    found: String(count),
    remedy: 'Correct the count.',
    facts: { field: 'count' },
  });
}
