import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { caller } from './caller.js';
import type { Calls } from './calls.js';
import { dropUnusedData } from './checkpoints.js';
import { collectGarbage, recordRewritten } from './collect-garbage.js';
import type { Core } from './core.js';
import type { Dispatch } from './dispatch.js';
import { findCheckpoint } from './find.js';
import { type DrillCalls, restoreDrill } from './restore-drill.js';
import { allCommitted, verifyImages } from './verify.js';

type StoreCalls =
  | 'pinCheckpoint'
  | 'coalesceCheckpoint'
  | 'verifyCheckpoints'
  | 'collectGarbage'
  | 'diffCheckpoints'
  | 'exportCheckpoint'
  | 'importCheckpoint';

/** The calls on images: what keeps them small, whole and where they are. */
export function storeCalls(core: Core, calls: Calls, containers: DrillCalls): Pick<Dispatch, StoreCalls> {
  return {
    pinCheckpoint: (requestId, checkpoint, pinned) =>
      calls.once(requestId, 'PinCheckpoint', { checkpoint, pinned }, async () => {
        const { crid } = findCheckpoint(core, checkpoint);
        return core.locks.run(crid, 'pin', () => pin(core, crid, pinned));
      }),

    coalesceCheckpoint: (requestId, checkpoint, progress, signal) =>
      calls.once(requestId, 'CoalesceCheckpoint', { checkpoint }, async () => {
        const { crid } = findCheckpoint(core, checkpoint);
        const abort = AbortSignal.any([signal, core.closing]);
        return core.locks.run(crid, 'coalesce', () => coalesce(core, crid, progress, abort));
      }),

    async *verifyCheckpoints(checkpoint, drill, signal) {
      const records = checkpoint === undefined ? allCommitted(core) : [committed(core, checkpoint)];
      const abort = AbortSignal.any([signal, core.closing]);
      for await (const verdict of verifyImages(core, records, abort)) {
        if (!drill || verdict.error) yield verdict;
        else yield { ...verdict, ...(await restoreDrill(core, containers, verdict.crid, drill, abort)) };
      }
    },

    diffCheckpoints: async (from, to) => {
      const [one, other] = [committed(core, from).crid, committed(core, to).crid];
      return core.store.diff(one, other);
    },

    async *exportCheckpoint(checkpoint, offset, signal) {
      const { crid } = committed(core, checkpoint);
      const exported = await core.store.export(crid, AbortSignal.any([signal, core.closing]));
      core.audit.record({ who: caller(), what: 'ExportCheckpoint', on: crid, outcome: 'allowed' });
      try {
        const { bytes: totalBytes } = exported;
        yield { totalBytes, data: Buffer.alloc(0) };
        for await (const data of exported.chunks(offset, signal)) yield { totalBytes, data };
      } finally {
        await exported.release();
      }
    },

    async importCheckpoint(chunks, signal) {
      const adopt = (record: CheckpointRecord): CheckpointRecord => {
        const { parent, ...rest } = record;
        const known = parent !== undefined && core.catalog.checkpoint(parent)?.state === 'committed';
        return { ...rest, ...(known ? { parent } : {}), ordinal: core.catalog.nextOrdinal() };
      };
      await core.store.requireRoom(0);
      const record = await core.store.import(chunks, adopt, AbortSignal.any([signal, core.closing]));
      core.ledger.write({ checkpoint: record, type: 'committed', facts: { by: 'import' } });
      core.audit.record({ who: caller(), what: 'ImportCheckpoint', on: record.crid, outcome: 'allowed' });
      return record;
    },

    async *collectGarbage(dryRun, allCopies) {
      const cacheBytes = allCopies ? 0 : core.storePolicy.cacheBytes;
      for await (const garbage of collectGarbage(core, { dryRun, cacheBytes })) {
        if (!dryRun)
          core.audit.record({
            who: caller(),
            what: 'CollectGarbage',
            on: garbage.id,
            outcome: 'allowed',
            why: garbage.kind,
          });
        yield garbage;
      }
    },
  };
}

function committed(core: Core, checkpoint: string): CheckpointRecord {
  const record = findCheckpoint(core, checkpoint);
  if (record.state === 'committed') return record;
  throw new PortLayerError('WRONG_STATE', `Checkpoint ${record.crid} is ${record.state}.`, {
    required: 'committed',
    found: record.state,
    remedy: 'Commit it first, with: portlayer checkpoint commit',
    facts: { crid: record.crid, state: record.state },
  });
}

async function pin(core: Core, crid: string, pinned: boolean): Promise<CheckpointRecord> {
  const { pinned: was = false, ...rest } = findCheckpoint(core, crid);
  const record: CheckpointRecord = pinned ? { ...rest, pinned } : rest;
  if (pinned === was) return record;
  if (record.state === 'committed') await core.store.rewrite(record);
  core.ledger.write({ checkpoint: record, type: pinned ? 'pinned' : 'unpinned' });
  return record;
}

/** Folds what an image points to elsewhere into its own data: afterwards it needs no other one. */
async function coalesce(
  core: Core,
  crid: string,
  progress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const before = committed(core, crid);
  const sources = before.image?.sources ?? [];
  if (sources.length === 0) return before;
  const rewritten = await core.store.rewriteData(crid, { against: 'alone', progress, signal });
  const record = recordRewritten(core, rewritten, 'coalesced');
  for (const source of sources) await dropUnusedData(core, source);
  return record;
}
