import { PortLayerError } from '../errors/port-layer-error.js';
import { containerTransitions } from '../lifecycle/container-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type {
  ContainerExit,
  ContainerRecord,
  ExitReason,
  ExitResult,
  Handle,
} from '../model/container-record.js';
import type { GuestLink, StartRequest } from '../plugin/executor.js';
import { isUnreachable } from '../plugin/host.js';
import type { GuestMessage } from '../relay/guest-line.js';
import { type LinkSession, openLinkSession } from '../relay/link-session.js';
import type { Committer } from './committer.js';
import { type Core, executorOf, recordOf } from './core.js';
import { EXIT_CODE } from './exit-code.js';
import { finishIteration, type Iterated, iterate } from './loop.js';
import { inject } from './secrets.js';

/** How a container comes to run: from its disk, or from an image by its mechanism. */
export type Bringer = (request: StartRequest, signal: AbortSignal) => Promise<Handle>;

/** Running containers: begun, followed to their exit, taken up again after a restart of the service. */
export interface Runs {
  /** Starts it and follows it. The caller holds the lock. `bring` defaults to the executor's own start. Throws what the executor throws, with the container `exited`. */
  begin(uid: string, bring?: Bringer): Promise<ContainerRecord>;
  /** Follows a container that runs already. */
  follow(record: ContainerRecord): void;
  /** Records an exit and does what it asks for: the next iteration, or the end. The caller holds the lock. */
  end(uid: string, exit: ExitResult): Promise<void>;
  /** Finishes an iteration that a killed service left half done. The caller holds the lock. */
  resume(uid: string): Promise<void>;
  /** The open link of a running container, if there is one. */
  session(uid: string): LinkSession | undefined;
}

/** Takes a guest's message from its link. */
export type GuestListener = (uid: string, message: GuestMessage, session: LinkSession) => void;

/** How long to wait before a full store, or a host that was out of reach, is tried again, in milliseconds. */
const RETRY_MS = 1000;

/** Runs over the core. `onGuest` gets every new message of every guest. */
export function createRuns(core: Core, committer: Committer, onGuest: GuestListener): Runs {
  const sessions = new Map<string, LinkSession>();

  const runs: Runs = {
    async begin(uid, bring) {
      const record = recordOf(core, uid);
      const executor = executorOf(core, record.spec);
      const { exit: _, stopRequested: __, boundCpus: ___, ...kept } = record;
      core.ledger.write({
        container: {
          ...kept,
          state: advance(containerTransitions, `container ${record.spec.name}`, record.state, 'start'),
          handle: executor.handleFor(uid),
          ...(bring && record.restoredFrom !== undefined ? { bringing: record.restoredFrom } : {}),
        },
        type: 'starting',
      });
      try {
        const request = await startRequest(core, recordOf(core, uid));
        const handle = bring
          ? await bring(request, core.closing)
          : await executor.start(request, core.closing);
        core.ledger.write({
          container: { ...brought(recordOf(core, uid)), state: 'running', handle, startedAtMs: Date.now() },
          type: 'running',
        });
      } catch (caught) {
        const error = PortLayerError.from(caught);
        if (core.closing.aborted) throw error;
        await executor.settle(uid);
        recordExit(
          core,
          uid,
          { code: 128, signal: 0, oomKilled: false, failure: error.message, atMs: Date.now() },
          'failed',
          error.message,
        );
        throw error;
      }
      const running = recordOf(core, uid);
      runs.follow(running);
      return running;
    },

    follow(record) {
      const { uid } = record;
      const executor = executorOf(core, record.spec);
      executor.wait(uid, core.closing).then(
        exit => void endSafely(core, runs, uid, exit),
        caught => {
          if (!core.closing.aborted) core.log(`wait for ${record.spec.name}: ${String(caught)}`);
        },
      );
      void openSession(core, record, sessions, onGuest);
    },

    async end(uid, exit) {
      sessions.get(uid)?.close();
      sessions.delete(uid);
      const record = core.catalog.containerByUid(uid);
      if (!record || record.state === 'exited' || record.state === 'created') return;
      const convention = record.spec.task.exitCode;
      const checkpointed =
        convention && exit.code === convention.checkpoint && exit.signal === 0 && !exit.failure;
      if (checkpointed && !record.stopRequested) {
        await proceed(core, runs, uid, await iterate(core, committer, uid), exit);
        return;
      }
      failPending(core, record, exit);
      const [reason, message] = judge(record, exit);
      recordExit(core, uid, exit, reason, message);
      await executorOf(core, record.spec).settle(uid);
    },

    async resume(uid) {
      const record = recordOf(core, uid);
      const exit = {
        code: record.spec.task.exitCode?.checkpoint ?? 0,
        signal: 0,
        oomKilled: false,
        atMs: Date.now(),
      };
      const iterated: Iterated = record.capturing
        ? await finishIteration(core, committer, record)
        : { next: 'again' };
      await proceed(core, runs, uid, iterated, exit);
    },

    session: uid => sessions.get(uid),
  };
  return runs;
}

/** The container is `iterating` and its layer is frozen: runs it again, or ends it. */
async function proceed(
  core: Core,
  runs: Runs,
  uid: string,
  iterated: Iterated,
  exit: ExitResult,
): Promise<void> {
  const record = recordOf(core, uid);
  await executorOf(core, record.spec).settle(uid);
  if (iterated.next === 'stuck') recordExit(core, uid, exit, 'stuck', iterated.message);
  else if (iterated.next === 'stop' || record.stopRequested) recordExit(core, uid, exit, 'stopped');
  else await runs.begin(uid);
}

/** Ends under the lock. A store without room, or a host out of reach, is tried again: the container keeps its persisted state meanwhile. */
async function endSafely(core: Core, runs: Runs, uid: string, exit: ExitResult): Promise<void> {
  for (;;) {
    try {
      await core.locks.run(uid, 'exit', () => endOrResume(core, runs, uid, exit), Infinity);
      return;
    } catch (caught) {
      const error = PortLayerError.from(caught);
      if (core.closing.aborted) return;
      core.log(`exit of ${uid}: ${error.code}: ${error.message}`);
      if (error.code !== 'STORE_FULL' && !isUnreachable(error)) return;
      await new Promise(resolve => setTimeout(resolve, RETRY_MS).unref());
    }
  }
}

function endOrResume(core: Core, runs: Runs, uid: string, exit: ExitResult): Promise<void> {
  return core.catalog.containerByUid(uid)?.state === 'iterating' ? runs.resume(uid) : runs.end(uid, exit);
}

async function startRequest(core: Core, record: ContainerRecord): Promise<StartRequest> {
  const { spec } = record;
  const env: Record<string, string> = {
    PORTLAYER_CONTAINER: spec.name,
    PORTLAYER_ITERATION: String(record.loop?.iteration ?? 0),
  };
  if (record.restoredFrom !== undefined) env.PORTLAYER_RESTORED_FROM = record.restoredFrom;
  if (spec.task.exitCode) env.PORTLAYER_CHECKPOINT_EXIT = String(spec.task.exitCode.checkpoint);
  const { host } = core.registry.environment(spec.environment);
  const launch = await core.registry.loader(spec.loader).plan(spec, host);
  const injected = await inject(core, record.uid, spec);
  return {
    uid: record.uid,
    spec,
    launch: { ...launch, bring: [...launch.bring, ...injected.bring] },
    layers: record.layers,
    env: { ...env, ...injected.env },
  };
}

/** The record without the mark of a start from an image: that is over, however it ended. */
export function brought(record: ContainerRecord): ContainerRecord {
  const { bringing: _, ...rest } = record;
  return rest;
}

function judge(record: ContainerRecord, exit: ExitResult): [ExitReason, (string | undefined)?] {
  if (record.stopRequested) return ['stopped'];
  if (exit.lost) return ['lost', exit.failure];
  if (exit.failure !== undefined) return ['failed', exit.failure];
  const complete = record.spec.task.exitCode?.complete ?? 0;
  return exit.code === complete && exit.signal === 0 ? ['completed'] : ['failed'];
}

function recordExit(core: Core, uid: string, exit: ExitResult, reason: ExitReason, message?: string): void {
  const { stopRequested: _, pending: __, boundCpus: ___, ...record } = brought(recordOf(core, uid));
  const end: ContainerExit = { ...exit, reason, ...(message === undefined ? {} : { message }) };
  const facts = { reason, code: String(exit.code), ...(message === undefined ? {} : { message }) };
  core.ledger.write({
    container: {
      ...record,
      state: advance(containerTransitions, `container ${record.spec.name}`, record.state, 'exit'),
      exit: end,
    },
    type: 'exited',
    facts,
  });
}

/** A checkpoint that waited for exit X will not come. */
function failPending(core: Core, record: ContainerRecord, exit: ExitResult): void {
  const checkpoint =
    record.pending?.crid === undefined ? undefined : core.catalog.checkpoint(record.pending.crid);
  if (checkpoint?.state !== 'quiescing') return;
  const message = `the task ended with code ${exit.code} instead of its checkpoint code`;
  const failure = { phase: checkpoint.state, code: 'WRONG_STATE', message };
  core.ledger.write({
    checkpoint: { ...checkpoint, state: 'failed', failure },
    type: 'failed',
    facts: { mechanism: EXIT_CODE },
  });
}

/** A host that cannot be reached is waited for: triggers made meanwhile wait with their init. */
async function linkOf(core: Core, record: ContainerRecord): Promise<GuestLink> {
  for (;;) {
    try {
      return await executorOf(core, record.spec).link(record.uid, core.closing);
    } catch (caught) {
      const { host } = core.registry.environment(record.spec.environment);
      if (!isUnreachable(caught) || !host?.untilReachable) throw caught;
      await host.untilReachable(core.closing);
      await new Promise(resolve => setTimeout(resolve, RETRY_MS).unref());
      if (core.catalog.containerByUid(record.uid)?.state !== 'running') throw caught;
    }
  }
}

async function openSession(
  core: Core,
  record: ContainerRecord,
  sessions: Map<string, LinkSession>,
  onGuest: GuestListener,
): Promise<void> {
  const { uid, spec } = record;
  const tell = (type: string, why: string): void => {
    core.audit.record({ who: `guest ${spec.name}`, what: type, on: spec.name, outcome: 'refused', why });
    core.ledger.write({ about: 'container', id: spec.name, type, facts: { uid, why } });
  };
  try {
    const link = await linkOf(core, record);
    const session = openLinkSession(link, {
      message: message => onGuest(uid, message, session),
      dropped: why => tell('link-dropped', why),
      closed: () => {
        if (sessions.get(uid) === session) sessions.delete(uid);
      },
    });
    sessions.set(uid, session);
  } catch (caught) {
    // A task that ended at once has no link any more; its exit tells the rest.
    if (!core.closing.aborted && core.catalog.containerByUid(uid)?.state === 'running') {
      core.log(`link of ${spec.name}: ${PortLayerError.from(caught).message}`);
    }
  }
}
