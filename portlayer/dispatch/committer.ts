import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { PAGE_BYTES } from '../store/format/page.js';
import { isEphemeral } from './choose-mechanism.js';
import { trimCopies } from './collect-garbage.js';
import { type Core, executorOf } from './core.js';
import { layersToStore } from './layer-cache.js';
import { applyRetention } from './retention.js';

/** Makes captured checkpoints durable, in the background or on demand. */
export interface Committer {
  /** Commits in the background; a store without room is tried again every 5 s until it has. */
  schedule(crid: string): void;
  /** Commits now. Idempotent. Throws STORE_FULL and the like; the checkpoint stays captured then. */
  commit(crid: string): Promise<CheckpointRecord>;
  /** Tells how much of a checkpoint's image is written back, whoever asked for its commit. Returns how to stop. */
  watch(crid: string, progress: (doneBytes: number, totalBytes: number) => void): () => void;
  /** Resolves when nothing of this container is being committed: at most one commit runs behind a loop. */
  idle(containerUid: string): Promise<void>;
  /** Resolves when nothing is being committed. */
  drain(): Promise<void>;
}

const RETRY_MS = 5000;
/** An image of no more is written in one slice: there is nothing to tell. */
const FEW_PAGES = 1024;
/** How often copies on disk are weighed, at most. */
const TRIM_EVERY_MS = 10_000;

/** A committer that serialises by checkpoint and remembers, for each container, what is under way. */
export function createCommitter(core: Core): Committer {
  const underWay = new Map<string, Set<Promise<unknown>>>();
  const watchers = new Map<string, (doneBytes: number, totalBytes: number) => void>();
  const retries = new Set<NodeJS.Timeout>();
  let trimmedAt = Date.now();
  core.closing.addEventListener('abort', () => retries.forEach(clearTimeout), { once: true });

  function track(containerUid: string, work: Promise<unknown>): void {
    const set = underWay.get(containerUid) ?? new Set();
    underWay.set(containerUid, set.add(work));
    const forget = (): void => {
      set.delete(work);
      if (set.size === 0) underWay.delete(containerUid);
    };
    work.then(forget, forget);
  }

  const tell =
    (crid: string) =>
    (done: number, total: number): void => {
      if (total > FEW_PAGES) watchers.get(crid)?.(done * PAGE_BYTES, total * PAGE_BYTES);
    };

  function retryLater(crid: string): void {
    const timer = setTimeout(() => {
      retries.delete(timer);
      committer.schedule(crid);
    }, RETRY_MS);
    timer.unref();
    retries.add(timer);
  }

  /** Retention at once; copies on disk at most so often. Both in the background: nobody waits for them. */
  async function keepHouse({ crid, containerUid }: CheckpointRecord): Promise<void> {
    try {
      await applyRetention(core, containerUid);
      if (core.closing.aborted || Date.now() < trimmedAt + TRIM_EVERY_MS) return;
      trimmedAt = Date.now();
      const { cacheBytes } = core.storePolicy;
      for await (const { kind, id } of trimCopies(core, { dryRun: false, cacheBytes })) {
        core.log(`${kind} ${id}: only its image is kept`);
        if (core.closing.aborted) return;
      }
    } catch (caught) {
      core.log(`after the commit of ${crid}: ${PortLayerError.from(caught).message}`);
    }
  }

  const committer: Committer = {
    schedule(crid) {
      const record = core.catalog.checkpoint(crid);
      if (!record || core.closing.aborted || isEphemeral(core, record)) return;
      const work = committer.commit(crid).catch(caught => {
        core.log(`commit of ${crid}: ${PortLayerError.from(caught).message}`);
        if (!core.closing.aborted && core.catalog.checkpoint(crid)?.state === 'captured') retryLater(crid);
      });
      track(record.containerUid, work);
      // Not of the container: its loop does not wait for it.
      track(
        '',
        work.then(done => (done ? keepHouse(done) : undefined)),
      );
    },
    commit: crid => core.locks.run(crid, 'commit', () => commitNow(core, crid, tell(crid)), Infinity),
    watch(crid, progress) {
      watchers.set(crid, progress);
      return () => void watchers.delete(crid);
    },
    async idle(containerUid) {
      await Promise.all(underWay.get(containerUid) ?? []);
    },
    async drain() {
      await Promise.all([...underWay.values()].flatMap(set => [...set]));
    },
  };
  return committer;
}

async function commitNow(
  core: Core,
  crid: string,
  progress: (donePages: number, totalPages: number) => void,
): Promise<CheckpointRecord> {
  const before = core.catalog.checkpoint(crid);
  if (!before) throw new PortLayerError('NOT_FOUND', `There is no checkpoint ${crid}.`, { facts: { crid } });
  if (before.state === 'committed') return before;
  if (isEphemeral(core, before)) throw notDurable(before);
  const committing: CheckpointRecord = {
    ...before,
    state: advance(checkpointTransitions, `checkpoint ${crid}`, before.state, 'commit'),
  };
  core.ledger.write({ checkpoint: committing, type: 'committing' });
  const startedAt = performance.now();
  try {
    await core.store.requireRoom(0);
    const own = committing.image?.layers.at(-1);
    if (own !== undefined) await executorOf(core, committing.spec).disk.sync(own);
    const layers = layersToStore(core, committing);
    const committed = await core.store.commit({
      crid,
      layers,
      ...(committing.parent === undefined ? {} : { parent: committing.parent }),
      signal: core.closing,
      progress,
      record: ({ files, storedBytes, sources }) => ({
        ...withoutFailure(committing),
        ...(committing.image
          ? { image: { ...committing.image, files, storedBytes, sources, holdsLayers: layers.length > 0 } }
          : {}),
        state: 'committed',
        committedAtMs: Date.now(),
        phases: { ...committing.phases, commitMs: performance.now() - startedAt },
      }),
    });
    try {
      core.ledger.write({ checkpoint: committed.record, type: 'committed' });
    } finally {
      committed.release();
    }
    return committed.record;
  } catch (caught) {
    const error = PortLayerError.from(caught);
    const failure = { phase: 'committing', code: error.code, message: error.message } as const;
    const captured: CheckpointRecord = { ...committing, state: 'captured', failure };
    core.ledger.write({
      checkpoint: captured,
      type: 'commit-failed',
      facts: { code: error.code, reason: error.message },
    });
    throw error;
  }
}

function notDurable({ crid, mechanism }: CheckpointRecord): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', `Checkpoint ${crid} cannot be made durable.`, {
    required: 'a mechanism whose images can be kept on a disk',
    found: `${mechanism}: its image is a running thing, and ends with it`,
    remedy: 'Restore or fork it while it is there, or take a checkpoint by another mechanism.',
    facts: { crid, mechanism },
  });
}

function withoutFailure(record: CheckpointRecord): CheckpointRecord {
  const { failure: _, ...rest } = record;
  return rest;
}
