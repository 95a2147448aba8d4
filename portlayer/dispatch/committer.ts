import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { type Core, executorOf } from './core.js';

/** Makes captured checkpoints durable, in the background or on demand. */
export interface Committer {
  /** Commits in the background; a store without room is tried again every 5 s until it has. */
  schedule(crid: string): void;
  /** Commits now. Idempotent. Throws STORE_FULL and the like; the checkpoint stays captured then. */
  commit(crid: string): Promise<CheckpointRecord>;
  /** Resolves when nothing of this container is being committed: at most one commit runs behind a loop. */
  idle(containerUid: string): Promise<void>;
  /** Resolves when nothing is being committed. */
  drain(): Promise<void>;
}

const RETRY_MS = 5000;

/** A committer that serialises by checkpoint and remembers, for each container, what is under way. */
export function createCommitter(core: Core): Committer {
  const underWay = new Map<string, Set<Promise<unknown>>>();
  const retries = new Set<NodeJS.Timeout>();
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

  function retryLater(crid: string): void {
    const timer = setTimeout(() => {
      retries.delete(timer);
      committer.schedule(crid);
    }, RETRY_MS);
    timer.unref();
    retries.add(timer);
  }

  const committer: Committer = {
    schedule(crid) {
      const record = core.catalog.checkpoint(crid);
      if (!record || core.closing.aborted) return;
      const work = committer.commit(crid).catch(caught => {
        core.log(`commit of ${crid}: ${PortLayerError.from(caught).message}`);
        if (!core.closing.aborted && core.catalog.checkpoint(crid)?.state === 'captured') retryLater(crid);
      });
      track(record.containerUid, work);
    },
    commit: crid => core.locks.run(crid, 'commit', () => commitNow(core, crid), Infinity),
    async idle(containerUid) {
      await Promise.all(underWay.get(containerUid) ?? []);
    },
    async drain() {
      await Promise.all([...underWay.values()].flatMap(set => [...set]));
    },
  };
  return committer;
}

async function commitNow(core: Core, crid: string): Promise<CheckpointRecord> {
  const before = core.catalog.checkpoint(crid);
  if (!before) throw new PortLayerError('NOT_FOUND', `There is no checkpoint ${crid}.`, { facts: { crid } });
  if (before.state === 'committed') return before;
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
    const files = await core.store.seal(crid);
    const committed: CheckpointRecord = {
      ...withoutFailure(committing),
      ...(files && committing.image ? { image: { ...committing.image, files } } : {}),
      state: 'committed',
      committedAtMs: Date.now(),
      phases: { ...committing.phases, commitMs: performance.now() - startedAt },
    };
    await core.store.commit(committed);
    core.ledger.write({ checkpoint: committed, type: 'committed' });
    return committed;
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

function withoutFailure(record: CheckpointRecord): CheckpointRecord {
  const { failure: _, ...rest } = record;
  return rest;
}
