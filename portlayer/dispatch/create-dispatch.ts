import { setMaxListeners } from 'node:events';
import type { Catalog } from '../catalog/catalog.js';
import { createOperationLocks } from '../lifecycle/operation-lock.js';
import type { Registry } from '../plugin/registry.js';
import type { Audit } from '../policy/audit.js';
import { createRefusalMeter } from '../policy/refusal-meter.js';
import { createTriggerGate } from '../policy/trigger-gate.js';
import type { ImageStore } from '../store/image-store.js';
import type { Reserve } from '../store/reserve.js';
import type { SpecStore } from '../store/spec-store.js';
import { createCalls } from './calls.js';
import { checkCalls } from './check-restore.js';
import { checkpointCalls } from './checkpoints.js';
import { createCommitter } from './committer.js';
import { containerCalls } from './containers.js';
import { copyCalls } from './copies.js';
import type { Core } from './core.js';
import type { Dispatch } from './dispatch.js';
import { createLedger } from './ledger.js';
import { levelCalls } from './levels.js';
import { moveCalls, undoMoves } from './move.js';
import { type Recovered, recover } from './recovery.js';
import { createRuns, type Runs } from './runs.js';
import { storeCalls } from './store-calls.js';
import { type StorePolicy, storePolicy } from './store-policy.js';
import { hearGuest } from './triggers.js';
import { sampleImages } from './verify.js';

/** What the composition root hands in; it also closes them, after this. */
export interface DispatchParts {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly store: ImageStore;
  /** Absent: the defaults. */
  readonly storePolicy?: StorePolicy;
  readonly specs: SpecStore;
  readonly reserve: Reserve;
  readonly audit: Audit;
  readonly log: (message: string) => void;
}

/** The port layer at work. */
export interface RunningDispatch extends Dispatch, AsyncDisposable {
  /** What the start found and did. */
  readonly recovered: Recovered;
}

/** Puts the rooms together, takes up what ran before, and is ready. Disposing lets go of everything that runs; it runs on. */
export async function createDispatch(parts: DispatchParts): Promise<RunningDispatch> {
  const closing = new AbortController();
  // Every running container and every call listens to it.
  setMaxListeners(0, closing.signal);
  const core: Core = {
    ...parts,
    storePolicy: parts.storePolicy ?? storePolicy(),
    ledger: createLedger(parts.catalog),
    locks: createOperationLocks(),
    gate: createTriggerGate(),
    refusals: createRefusalMeter(),
    closing: closing.signal,
  };
  core.catalog.prune(Date.now());
  const committer = createCommitter(core);
  const runs: Runs = createRuns(core, committer, (uid, message, session) =>
    hearGuest(core, runs, committer, uid, message, session),
  );
  const recovered = await recover(core, runs, committer).catch(async (caught: unknown) => {
    // What was taken up already must not look at a catalog that its owner closes now.
    closing.abort();
    await committer.drain();
    throw caught;
  });
  sampleImages(core);
  const calls = createCalls(core);
  const checkpoints = checkpointCalls(core, calls, runs, committer);
  const containers = containerCalls(core, calls, runs);
  const copies = copyCalls(core, calls, runs, checkpoints);
  const steps = { ...containers, ...checkpoints, ...levelCalls(core) };
  void undoMoves(core, steps);
  return {
    recovered,
    ...containers,
    ...moveCalls(core, calls, runs, steps),
    ...checkpoints,
    ...copies,
    ...storeCalls(core, calls, { ...containers, ...copies }),
    ...levelCalls(core),
    ...checkCalls(core),
    events: (since, follow, signal) =>
      core.ledger.events(since, follow, AbortSignal.any([signal, closing.signal])),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await committer.drain();
    },
  };
}
