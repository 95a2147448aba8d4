import { PortLayerError } from '../errors/port-layer-error.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { Answer, GuestMessage, TriggerMessage } from '../relay/guest-line.js';
import type { LinkSession } from '../relay/link-session.js';
import { chooseFor } from './choose-mechanism.js';
import type { Committer } from './committer.js';
import { type Core, recordOf } from './core.js';
import { firstThatCan } from './fall-back.js';
import { guestNeed } from './guest-need.js';
import { memoize } from './memo.js';
import type { Runs } from './runs.js';
import { takeCheckpoint } from './take-checkpoint.js';

/** Signal askers are answered with one number; these are the ones that are no ordinal. Source: design/relay-protocol.md. */
const VALUE_ERROR = -1;
const VALUE_EXIT = -2;

/**
 * A guest's word: a trigger goes through policy, planner and mechanism, and its answer back down the link. Never
 * throws: whatever goes wrong is answered to the guest and audited.
 */
export function hearGuest(
  core: Core,
  runs: Runs,
  committer: Committer,
  uid: string,
  message: GuestMessage,
  session: LinkSession,
): void {
  if (message.word !== 'TRIGGER') return;
  const record = core.catalog.containerByUid(uid);
  if (!record) return;
  const who = `guest ${record.spec.name}`;
  const name = record.spec.name;
  answerTo(core, runs, committer, record, message).then(
    answer => {
      core.audit.record({
        who,
        what: 'trigger',
        on: name,
        outcome: 'allowed',
        why: `${message.mechanism} by ${message.from}`,
      });
      session.answer({ incarnation: message.incarnation, sequence: message.sequence, ...answer });
    },
    caught => {
      const error = PortLayerError.from(caught);
      const why = `${error.code}: ${error.message}`;
      core.audit.record({ who, what: 'trigger', on: name, outcome: 'refused', why });
      const times = core.refusals.note(uid, error.code, performance.now());
      if (times !== undefined) {
        const facts = { uid, code: error.code, times: String(times) };
        core.ledger.write({ about: 'container', id: name, type: 'trigger-refused', facts });
      }
      // A defect of ours is not described to a guest.
      const reason = error.code === 'INTERNAL' ? 'INTERNAL' : why;
      session.answer({
        incarnation: message.incarnation,
        sequence: message.sequence,
        result: 'error',
        value: VALUE_ERROR,
        reason,
      });
    },
  );
}

async function answerTo(
  core: Core,
  runs: Runs,
  committer: Committer,
  record: ContainerRecord,
  message: TriggerMessage,
): Promise<Answer> {
  const { uid, spec } = record;
  const policy = spec.trigger;
  const { need, labels } = guestNeed(message, policy);
  const done = core.gate.admit(uid, policy, message.mechanism, performance.now(), () =>
    core.catalog.usage(uid),
  );
  try {
    const signal =
      message.timeoutMs > 0
        ? AbortSignal.any([core.closing, AbortSignal.timeout(message.timeoutMs)])
        : core.closing;
    const order = await chooseFor(core, { spec, uid }, need);
    return await firstThatCan<Answer>(
      core,
      uid,
      need,
      order,
      signal,
      async ({ verdict, mechanism }, more) => {
        const asked = {
          source: 'guest',
          labels: { ...labels, ...more },
          stopAfter: false,
          ...(need.maxPauseMs === undefined ? {} : { maxPauseMs: need.maxPauseMs }),
        } as const;
        if (!mechanism) {
          await core.locks.run(uid, 'trigger', async () =>
            noteTrigger(core, uid, asked.labels, message.from),
          );
          return { result: 'exit', value: VALUE_EXIT, code: spec.task.exitCode!.checkpoint };
        }
        const checkpoint = await core.locks.run(uid, 'trigger', () =>
          takeCheckpoint(core, runs, committer, uid, { verdict, mechanism }, asked, signal),
        );
        void memoize(core, recordOf(core, uid), checkpoint.crid);
        return { result: 'id', value: checkpoint.ordinal, crid: checkpoint.crid };
      },
    );
  } finally {
    done();
  }
}

/** The task is about to exit X because it asked: the checkpoint will carry its labels, and say that the guest asked. */
function noteTrigger(core: Core, uid: string, labels: Readonly<Record<string, string>>, from: string): void {
  const record = recordOf(core, uid);
  if (record.pending) return;
  const pending = { source: 'guest', labels, stopAfter: false } as const;
  core.ledger.write({ container: { ...record, pending }, type: 'trigger-admitted', facts: { from } });
}
