import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { containerTransitions } from '../lifecycle/container-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { CheckpointRecord, ImageFacts } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import { newUlid } from '../model/ids.js';
import type { Committer } from './committer.js';
import { type Core, executorOf, recordOf } from './core.js';
import { EXIT_CODE, exitCodeConstraints, guardVerdict } from './exit-code.js';
import { newCheckpoint } from './new-checkpoint.js';
import { requireQuota } from './quota.js';

/** What is to happen after an iteration's layer was frozen. */
export type Iterated =
  | { readonly next: 'again' }
  /** A caller asked for the checkpoint to be the end. */
  | { readonly next: 'stop' }
  | { readonly next: 'stuck'; readonly message: string };

/** Longer chains are folded into one layer. Overlay takes 500 lower layers; mounting and look-ups slow down long before. */
const LONGEST_CHAIN = 32;

/**
 * The task exited X: freezes its writable layer as A′ and lists it. Steps, each persisted before it is done and
 * done again by recovery where it was cut: write down the intent, freeze, describe, write down the result.
 * The caller holds the container's lock.
 */
export async function iterate(core: Core, committer: Committer, uid: string): Promise<Iterated> {
  const begun = await beginIteration(core, recordOf(core, uid));
  if (!begun) return { next: 'again' };
  return finishIteration(core, committer, begun);
}

/** Writes down that the layer is about to be frozen. Undefined where there is no room: the task runs on with nothing frozen. */
async function beginIteration(core: Core, record: ContainerRecord): Promise<ContainerRecord | undefined> {
  const checkpoint = pendingOrNew(core, record);
  try {
    requireQuota(core, record.uid);
    await core.store.requireRoom(0);
    await core.store.stage(checkpoint.crid);
  } catch (caught) {
    refuse(core, record, checkpoint, PortLayerError.from(caught));
    return undefined;
  }
  const iterating: ContainerRecord = {
    ...record,
    state: advance(containerTransitions, `container ${record.spec.name}`, record.state, 'iterate'),
    capturing: checkpoint.crid,
  };
  const dumping: CheckpointRecord = {
    ...checkpoint,
    state: advance(checkpointTransitions, `checkpoint ${checkpoint.crid}`, checkpoint.state, 'dump'),
    phases: { ...checkpoint.phases, quiesceMs: Date.now() - checkpoint.createdAtMs },
  };
  core.ledger.write({ container: iterating, type: 'iterating' }, { checkpoint: dumping, type: 'dumping' });
  return recordOf(core, record.uid);
}

/** From the written intent on: what recovery does again for a container found `iterating` with a capture under way. */
export async function finishIteration(
  core: Core,
  committer: Committer,
  record: ContainerRecord,
): Promise<Iterated> {
  const crid = record.capturing!;
  const checkpoint = core.catalog.checkpoint(crid)!;
  const disk = executorOf(core, record.spec).disk;
  const startedAt = performance.now();
  await committer.idle(record.uid);
  await disk.freeze(record.uid, crid);
  const frozen = await disk.describe(crid);
  // Nothing written is the state before: two empty layers in a row are no progress either.
  const digest = frozen.entries === 0 ? (record.loop?.lastDigest ?? frozen.digest) : frozen.digest;
  const layers = [...record.layers, crid];
  const image: ImageFacts = {
    bytes: frozen.bytes,
    entries: frozen.entries,
    digest: frozen.digest,
    layers,
    files: {},
  };
  const iteration = (record.loop?.iteration ?? 0) + 1;
  const captured: CheckpointRecord = {
    ...checkpoint,
    state: advance(checkpointTransitions, `checkpoint ${crid}`, checkpoint.state, 'capture'),
    image,
    iteration,
    phases: { ...checkpoint.phases, dumpMs: performance.now() - startedAt },
  };
  const stuck = guardVerdict(record, iteration, digest, Date.now());
  const stopAfter = record.pending?.stopAfter === true;
  const { capturing: _, pending: __, ...kept } = record;
  core.ledger.write(
    { checkpoint: captured, type: 'captured' },
    {
      container: {
        ...kept,
        layers: await shortened(core, record, layers),
        head: crid,
        restoredFrom: crid,
        ...(stopAfter ? { stopRequested: true } : {}),
        loop: { iteration, startedAtMs: record.loop?.startedAtMs ?? record.createdAtMs, lastDigest: digest },
      },
      type: 'iterated',
      facts: { iteration: String(iteration), checkpoint: crid },
    },
  );
  committer.schedule(crid);
  if (stuck !== undefined) return { next: 'stuck', message: stuck };
  return { next: stopAfter ? 'stop' : 'again' };
}

/** The chain as the next run stacks it: folded where it has become long. The checkpoints keep their own. */
async function shortened(
  core: Core,
  record: ContainerRecord,
  layers: readonly string[],
): Promise<readonly string[]> {
  if (layers.length <= LONGEST_CHAIN) return layers;
  const folded = newUlid();
  await executorOf(core, record.spec).disk.fold(layers, folded);
  return [folded];
}

function pendingOrNew(core: Core, record: ContainerRecord): CheckpointRecord {
  const waiting =
    record.pending?.crid === undefined ? undefined : core.catalog.checkpoint(record.pending.crid);
  if (waiting?.state === 'quiescing') return waiting;
  return newCheckpoint(core, {
    container: record,
    mechanism: EXIT_CODE,
    level: 'task',
    source: record.pending?.source ?? 'exit-code',
    labels: record.pending?.labels ?? {},
    constraints: exitCodeConstraints(record.spec),
  });
}

function refuse(
  core: Core,
  record: ContainerRecord,
  checkpoint: CheckpointRecord,
  error: PortLayerError,
): void {
  const failure = { phase: checkpoint.state, code: error.code, message: error.message };
  const { pending: _, ...kept } = record;
  core.ledger.write(
    { checkpoint: { ...checkpoint, state: 'failed', failure }, type: 'failed', facts: { code: error.code } },
    {
      container: {
        ...kept,
        state: advance(containerTransitions, `container ${record.spec.name}`, record.state, 'iterate'),
      },
      type: 'iterating',
    },
  );
}
