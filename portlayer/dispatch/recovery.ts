import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../errors/port-layer-error.js';
import { CHECKPOINT_STATES } from '../model/checkpoint-record.js';
import { CONTAINER_STATES, type ContainerRecord } from '../model/container-record.js';
import { isUnreachable } from '../plugin/host.js';
import type { Keeping } from '../plugin/mechanism.js';
import { bringerOf } from './bring-copy.js';
import { remove } from './checkpoints.js';
import type { Committer } from './committer.js';
import { removeContainer } from './containers.js';
import { type Core, executorOf, recordOf } from './core.js';
import { sweepCopies } from './image-travel.js';
import { leftovers } from './leftovers.js';
import { brought, type Runs } from './runs.js';
import { fillStandbys } from './standbys.js';

/** What a start found and did, for the log and for `doctor`. */
export interface Recovered {
  readonly running: number;
  readonly ended: number;
  readonly commitsResumed: number;
  readonly checkpointsUndone: number;
  readonly checkpointsFound: number;
  /** Running things of executors that the catalog does not know. Left alone: nobody may kill a task by mistake. */
  readonly orphans: readonly string[];
}

const ALL = 1_000_000;

/**
 * Takes everything up again after the service ended, however it ended: finishes what can be finished, undoes the
 * rest. Needs no hand. Idempotent: it may be killed and run again.
 */
export async function recover(core: Core, runs: Runs, committer: Committer): Promise<Recovered> {
  const found = await readmitManifests(core);
  const undone = await undoUnfinished(core);
  const uncommitted = core.catalog.crids(['captured', 'committing']);
  // Before anything is taken up: a loop that runs again makes layers that the catalog does not know for a moment.
  const orphans = await sweep(core, new Set(uncommitted));
  const containers = core.catalog.containers({ states: CONTAINER_STATES, limit: ALL }).items;
  const counts = { running: 0, ended: 0 };
  await eachInParallel(containers, async record => {
    const outcome = await takeUpLocked(core, runs, record.uid).catch(caught => {
      if (!isUnreachable(caught)) throw caught;
      core.log(`${record.spec.name} is not taken up yet: ${PortLayerError.from(caught).message}`);
      void takeUpLater(core, runs, record.uid);
      return 'running' as const;
    });
    if (outcome) counts[outcome] += 1;
  });
  // After they were taken up: recording an exit reads what the sweep would remove.
  const alone = (uid: string, work: () => Promise<void>) => core.locks.run(uid, 'sweep', work, Infinity);
  for await (const { kind, id } of leftovers(core, alone)) core.log(`swept ${kind} ${id}`);
  for (const crid of core.catalog.crids(['removed'])) await remove(core, crid, true);
  for (const crid of uncommitted) committer.schedule(crid);
  for (const { crid } of core.catalog.checkpoints({
    states: ['captured', 'committed'],
    published: true,
    limit: ALL,
  }).items)
    fillStandbys(core, crid);
  return {
    ...counts,
    commitsResumed: uncommitted.length,
    checkpointsUndone: undone,
    checkpointsFound: found,
    orphans,
  };
}

function takeUpLocked(core: Core, runs: Runs, uid: string): Promise<'running' | 'ended' | undefined> {
  return core.locks.run(uid, 'recover', () => takeUp(core, runs, uid), Infinity);
}

const LATER_MS = 2000;

/** A container on a host that cannot be reached keeps its state until it can: then it is taken up as at a start. */
async function takeUpLater(core: Core, runs: Runs, uid: string): Promise<void> {
  const record = core.catalog.containerByUid(uid);
  const { host } = core.registry.environment(record?.spec.environment ?? 'local');
  while (!core.closing.aborted) {
    try {
      await host?.untilReachable?.(core.closing);
      if (core.catalog.containerByUid(uid)) await takeUpLocked(core, runs, uid);
      return;
    } catch (caught) {
      if (core.closing.aborted) return;
      if (!isUnreachable(caught)) return core.log(`taking up ${uid}: ${String(caught)}`);
    }
    await sleep(LATER_MS, undefined, { signal: core.closing, ref: false }).catch(() => {});
  }
}

/** A committed checkpoint on disk that the catalog does not know (it lost power before it was written, or was rebuilt) is listed again. */
export async function readmitManifests(
  core: Pick<Core, 'store' | 'catalog' | 'ledger' | 'log'>,
): Promise<number> {
  const known = new Set(core.catalog.crids(CHECKPOINT_STATES));
  let found = 0;
  for (const crid of await core.store.list()) {
    if (known.has(crid)) continue;
    try {
      const checkpoint = await core.store.read(crid);
      core.ledger.write({
        checkpoint: { ...checkpoint, ordinal: core.catalog.nextOrdinal() },
        type: 'committed',
        facts: { found: 'manifest' },
      });
      found += 1;
    } catch (caught) {
      core.log(`checkpoint ${crid}: ${PortLayerError.from(caught).message}`);
    }
  }
  return found;
}

/** Checkpoints that had not reached their capture are failed, but for those whose container is iterating: these are finished. */
async function undoUnfinished(core: Core): Promise<number> {
  const finishing = new Set(
    core.catalog.containers({ states: ['iterating'], limit: ALL }).items.map(record => record.capturing),
  );
  let undone = 0;
  for (const crid of core.catalog.crids(['requested', 'quiescing', 'dumping'])) {
    if (finishing.has(crid)) continue;
    const checkpoint = core.catalog.checkpoint(crid)!;
    const failure = {
      phase: checkpoint.state,
      code: 'CANCELED',
      message: 'the service ended while it was made',
    };
    core.ledger.write({
      checkpoint: { ...checkpoint, state: 'failed', failure },
      type: 'failed',
      facts: { code: 'CANCELED' },
    });
    await core.store.remove(crid, false);
    undone += 1;
  }
  return undone;
}

async function takeUp(core: Core, runs: Runs, uid: string): Promise<'running' | 'ended' | undefined> {
  const record = forgetPending(core, recordOf(core, uid));
  const executor = executorOf(core, record.spec);
  switch (record.state) {
    case 'created':
      return undefined;
    case 'exited':
      // The exit is recorded; the executor may not have been told.
      await executor.settle(uid);
      return undefined;
    case 'removing':
      await removeContainer(core, uid);
      return undefined;
    case 'iterating':
      await runs.resume(uid);
      return 'running';
    default:
      return takeUpRunning(core, runs, record);
  }
}

async function takeUpRunning(core: Core, runs: Runs, record: ContainerRecord): Promise<'running' | 'ended'> {
  const { uid } = record;
  const executor = executorOf(core, record.spec);
  const found = record.handle ? await executor.recover(uid, record.handle, core.closing) : 'gone';
  if (found === 'running') {
    if (record.state === 'starting')
      core.ledger.write({
        container: { ...brought(record), state: 'running', startedAtMs: Date.now() },
        type: 'running',
      });
    runs.follow(recordOf(core, uid));
    // A stop that was cut short: the caller is gone, the wish stays.
    if (record.state === 'stopping') void executor.stop(uid, 10_000);
    return 'running';
  }
  if (found === 'exited') {
    await runs.end(uid, await executor.wait(uid, core.closing));
    return 'ended';
  }
  if (record.state === 'starting') {
    // Nothing had been started: back to where `start` is legal, and again.
    core.ledger.write({ container: { ...brought(record), state: 'created' }, type: 'start-repeated' });
    const from = record.bringing === undefined ? undefined : core.catalog.checkpoint(record.bringing);
    await runs
      .begin(uid, from && bringerOf(core, from, record.spec))
      .catch(caught => core.log(`start of ${record.spec.name}: ${String(caught)}`));
    return 'running';
  }
  const failure = 'it was gone when the service looked for it';
  await runs.end(uid, { code: 137, signal: 9, oomKilled: false, lost: true, failure, atMs: Date.now() });
  return 'ended';
}

/** Whoever waited for a checkpoint by signal is gone with the service that died; the checkpoint was failed above. */
function forgetPending(core: Core, record: ContainerRecord): ContainerRecord {
  if (record.pending?.crid === undefined || record.state === 'iterating') return record;
  const { pending: _, ...kept } = record;
  core.ledger.write({ container: kept, type: 'runs-on', facts: { checkpoint: record.pending.crid } });
  return recordOf(core, record.uid);
}

/** Removes what nobody refers to. Running things are reported, not ended. */
async function sweep(core: Core, uncommitted: ReadonlySet<string>): Promise<readonly string[]> {
  const orphans: string[] = [];
  const iterating = core.catalog.containers({ states: ['iterating'], limit: ALL }).items;
  const capturing = new Set(iterating.map(record => record.capturing));
  const keep = new Set([...uncommitted, ...capturing].filter(crid => crid !== undefined));
  for (const name of await core.store.sweep(keep)) core.log(`swept staging ${name}`);
  for (const { environment, executor } of core.registry.executors()) {
    const known = await executor.list().catch((caught: unknown) => {
      if (!isUnreachable(caught)) throw caught;
      core.log(
        `${environment}/${executor.name} is not looked through: ${PortLayerError.from(caught).message}`,
      );
      return undefined;
    });
    if (known === undefined) continue;
    await sweepCopies(core, environment);
    for (const uid of known) {
      if (core.catalog.containerByUid(uid)) continue;
      const state = await executor.recover(uid, executor.handleFor(uid), core.closing);
      if (state === 'running') orphans.push(`${environment}/${executor.name}/${uid}`);
      else await executor.destroy(uid);
    }
    await forgetKept(core, executor.checkpoint?.keeping);
    if (orphans.length > 0) continue;
    for (const layer of await executor.disk.list()) {
      if (!capturing.has(layer) && !core.catalog.layerIsUsed(layer)) await executor.disk.remove(layer);
    }
  }
  return orphans;
}

/** What a mechanism keeps of checkpoints that came to nothing, or are not known, goes. */
async function forgetKept(core: Core, keeping: Keeping | undefined): Promise<void> {
  for (const crid of (await keeping?.list().catch(caught => unreached(core, caught))) ?? []) {
    const state = core.catalog.checkpoint(crid)?.state ?? 'removed';
    if (state === 'removed' || state === 'failed') await keeping?.forget(crid);
  }
}

/** A place that is away now keeps what it has; the next start looks again. */
function unreached(core: Core, caught: unknown): readonly string[] {
  if (!isUnreachable(caught)) throw caught;
  core.log(`what mechanisms keep: ${PortLayerError.from(caught).message}`);
  return [];
}

/** So many containers are taken up at a time: most of the work is waiting for their monitors. */
const AT_ONCE = 16;

async function eachInParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const workers = Array.from({ length: Math.min(AT_ONCE, queue.length) }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  });
  await Promise.all(workers);
}
