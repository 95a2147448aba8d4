import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Core } from './core.js';
import { executorOf, recordOf } from './core.js';
import { EXIT_CODE, exitCodeConstraints } from './exit-code.js';
import { newCheckpoint } from './new-checkpoint.js';
import { signalNumber } from './signal-names.js';
import type { Taking } from './take-checkpoint.js';

/**
 * The host asks a task to checkpoint itself: sends its signal and waits for exit X within the bound. Resolves when
 * the A′ is captured. QUIESCE_TIMEOUT where the task does not exit in time; it runs on. Takes the container's lock
 * only while it asks and while it gives up, so that the exit can be handled meanwhile.
 */
export async function askBySignal(
  core: Core,
  uid: string,
  asked: Taking,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const crid = await core.locks.run(uid, 'checkpoint', () => ask(core, uid, asked));
  asked.begun?.(crid);
  const convention = recordOf(core, uid).spec.task.exitCode!;
  const deadlineMs = Date.now() + convention.signalTimeoutMs;
  const sent = await sendWhenHandled(core, uid, crid, convention.signal, deadlineMs, signal);
  const outcome = sent
    ? await settled(core, crid, deadlineMs - Date.now(), signal)
    : signal.aborted
      ? 'canceled'
      : 'deaf';
  if (outcome === 'captured') return core.catalog.checkpoint(crid)!;
  await core.locks.run(uid, 'checkpoint', async () => giveUp(core, uid, crid, outcome), Infinity);
  const record = core.catalog.checkpoint(crid)!;
  if (record.state !== 'failed') return record;
  throw failureOf(record, convention.signal, convention.signalTimeoutMs);
}

async function ask(core: Core, uid: string, asked: Taking): Promise<string> {
  const container = recordOf(core, uid);
  if (container.state !== 'running') {
    throw new PortLayerError('WRONG_STATE', `Container ${container.spec.name} is ${container.state}.`, {
      required: 'running',
      found: container.state,
      remedy:
        container.state === 'paused'
          ? 'Let it run again: portlayer unpause NAME'
          : 'Start it: portlayer start NAME',
      facts: { state: container.state },
    });
  }
  if (container.pending?.crid !== undefined) {
    throw new PortLayerError(
      'OPERATION_PENDING',
      `Container ${container.spec.name} is being checkpointed already.`,
      {
        required: 'no other checkpoint under way',
        found: container.pending.crid,
        remedy: 'Wait for it, with: portlayer checkpoint ls',
      },
    );
  }
  await core.store.requireRoom(0);
  const requested = newCheckpoint(core, {
    container,
    mechanism: EXIT_CODE,
    level: 'task',
    source: asked.source,
    labels: asked.labels,
    constraints: exitCodeConstraints(container.spec),
  });
  const pending = {
    source: asked.source,
    labels: asked.labels,
    crid: requested.crid,
    stopAfter: asked.stopAfter,
  };
  const state = advance(checkpointTransitions, `checkpoint ${requested.crid}`, requested.state, 'quiesce');
  core.ledger.write(
    { checkpoint: requested, type: 'requested' },
    { checkpoint: { ...requested, state }, type: 'quiescing' },
    { container: { ...container, pending }, type: 'quiescing', facts: { checkpoint: requested.crid } },
  );
  return requested.crid;
}

/** How often a task that has no handler yet is looked at again, in milliseconds: it may just have started. */
const LOOK_AGAIN_MS = 20;

/**
 * Sends the signal once the task has a handler for it: without one it would be ended, not asked. False where that
 * did not come about in time.
 */
async function sendWhenHandled(
  core: Core,
  uid: string,
  crid: string,
  name: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const number = signalNumber(name);
  const executor = executorOf(core, recordOf(core, uid).spec);
  while (!signal.aborted && core.catalog.checkpoint(crid)?.state === 'quiescing') {
    const handled = await executor.handles(uid, number).catch(() => undefined);
    if (handled !== false) {
      await executor.signal(uid, number).catch(caught => core.log(`${name} to ${uid}: ${String(caught)}`));
      return true;
    }
    if (Date.now() >= deadlineMs) return false;
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  return !signal.aborted;
}

type Outcome = 'captured' | 'failed' | 'late' | 'deaf' | 'canceled';

const WHY: Readonly<Record<Outcome, string>> = {
  captured: '',
  failed: '',
  late: 'the task did not exit to checkpoint in time',
  deaf: 'the task has no handler for the signal, which would have ended it: it was not sent',
  canceled: 'the caller cancelled',
};

function settled(core: Core, crid: string, timeoutMs: number, signal: AbortSignal): Promise<Outcome> {
  return new Promise(resolve => {
    const finish = (outcome: Outcome): void => {
      unwatch();
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      resolve(outcome);
    };
    const cancel = (): void => finish('canceled');
    const look = (): void => {
      const state = core.catalog.checkpoint(crid)?.state;
      if (state === 'captured' || state === 'committing' || state === 'committed') finish('captured');
      else if (state === undefined || state === 'failed' || state === 'removed') finish('failed');
    };
    const timer = setTimeout(() => finish('late'), timeoutMs);
    const unwatch = core.ledger.watch(event => {
      if (event.id === crid) look();
    });
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    else look();
  });
}

/** Under the lock: fails the checkpoint unless the exit came after all. */
function giveUp(core: Core, uid: string, crid: string, outcome: Outcome): void {
  const checkpoint = core.catalog.checkpoint(crid);
  if (checkpoint?.state !== 'quiescing') return;
  const code = outcome === 'canceled' ? 'CANCELED' : 'QUIESCE_TIMEOUT';
  const message = WHY[outcome];
  const container = core.catalog.containerByUid(uid);
  const failed: CheckpointRecord = {
    ...checkpoint,
    state: 'failed',
    failure: { phase: 'quiescing', code, message },
  };
  core.ledger.write({ checkpoint: failed, type: 'failed', facts: { code } });
  if (container?.pending?.crid !== crid) return;
  const { pending: _, ...kept } = container;
  core.ledger.write({ container: kept, type: 'runs-on', facts: { checkpoint: crid } });
}

function failureOf(record: CheckpointRecord, signalName: string, timeoutMs: number): PortLayerError {
  const code = record.failure?.code ?? 'INTERNAL';
  const facts = { crid: record.crid, phase: record.failure?.phase ?? '' };
  switch (code) {
    case 'QUIESCE_TIMEOUT':
      return new PortLayerError(code, 'The task did not exit to checkpoint in time; it runs on.', {
        required: `exit ${record.spec.task.exitCode?.checkpoint} within ${timeoutMs} ms of ${signalName}`,
        found: record.failure?.message ?? 'it still runs',
        remedy: `See that the task handles ${signalName}, or allow more time with --checkpoint-timeout.`,
        facts,
      });
    case 'CANCELED':
      return new PortLayerError(code, 'The checkpoint was cancelled; the task runs on.', { facts });
    case 'STORE_FULL':
      return new PortLayerError(code, 'The store has no room; the task runs on without this checkpoint.', {
        found: record.failure?.message ?? '',
        remedy: 'Remove checkpoints you do not need, with: portlayer checkpoint rm CRID',
        facts,
      });
    default:
      return new PortLayerError('WRONG_STATE', 'The task ended without a checkpoint.', {
        required: `exit ${record.spec.task.exitCode?.checkpoint}`,
        found: record.failure?.message ?? '',
        remedy: 'Look at its exit and its log: portlayer inspect NAME, portlayer logs NAME',
        facts,
      });
  }
}
