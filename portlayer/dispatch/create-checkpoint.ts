import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { labelsSchema } from '../model/container-spec.js';
import { checkAgainst } from '../model/schema-check.js';
import { askBySignal } from './ask-by-signal.js';
import { chooseFor } from './choose-mechanism.js';
import type { Committer } from './committer.js';
import type { Core } from './core.js';
import type { CheckpointRequest } from './dispatch.js';
import { firstThatCan } from './fall-back.js';
import { findContainer } from './find.js';
import type { Runs } from './runs.js';
import { takeCheckpoint } from './take-checkpoint.js';

/** What a checkpoint is taken with. */
export interface CheckpointParts {
  readonly core: Core;
  readonly runs: Runs;
  readonly committer: Committer;
}

/** A checkpoint that a caller asked for, up to `captured`. `begun` is told each id that is given: with fall-back more than one. */
export async function createCheckpoint(
  { core, runs, committer }: CheckpointParts,
  request: CheckpointRequest,
  begun: (crid: string) => void,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const labels = checkAgainst<Record<string, string>>('label set', labelsSchema, request.labels);
  const { uid, spec } = findContainer(core, request.container);
  const { mechanism: named, need: stated = {} } = request;
  const need = named === undefined ? stated : { ...stated, mechanism: named };
  const order = await chooseFor(core, { spec, uid }, need);
  return firstThatCan(core, uid, need, order, signal, ({ verdict, mechanism }, more) => {
    const asked = {
      source: 'api',
      labels: { ...labels, ...more },
      stopAfter: request.stopAfter,
      begun,
      ...(need.maxPauseMs === undefined ? {} : { maxPauseMs: need.maxPauseMs }),
    } as const;
    if (!mechanism) return askBySignal(core, uid, asked, signal);
    return core.locks.run(uid, 'checkpoint', () =>
      takeCheckpoint(core, runs, committer, uid, { verdict, mechanism }, asked, signal),
    );
  });
}
