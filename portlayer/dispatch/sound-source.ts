import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Core } from './core.js';
import { findCheckpoint } from './find.js';
import { bringLayersBack } from './layer-cache.js';
import { quarantine } from './verify.js';

/**
 * The checkpoint that is restored for `text`, with its dump and its layers read back and found whole. One that turns out
 * to be damaged is quarantined. A published name then stands for the newest good ancestor, and `fellBack` is told; a CRID
 * means that checkpoint and no other: CHECKPOINT_CORRUPT, with the ancestor in its remedy.
 */
export async function soundSource(
  core: Core,
  text: string,
  fellBack: (damaged: CheckpointRecord) => void = () => {},
): Promise<CheckpointRecord> {
  const wanted = findCheckpoint(core, text);
  const error = await damageOf(core, wanted);
  if (!error) return findCheckpoint(core, wanted.crid);
  const ancestor = await newestGood(core, wanted);
  if (!ancestor || !text.includes(':')) throw aboutAncestor(error, wanted, ancestor);
  core.ledger.write({
    about: 'checkpoint',
    id: ancestor.crid,
    type: 'fell-back',
    facts: { reference: text, damaged: wanted.crid },
  });
  fellBack(wanted);
  return ancestor;
}

async function newestGood(core: Core, of: CheckpointRecord): Promise<CheckpointRecord | undefined> {
  const seen = new Set([of.crid]);
  for (let crid = of.parent; crid !== undefined && !seen.has(crid); ) {
    seen.add(crid);
    const record = core.catalog.checkpoint(crid);
    if (!record) return undefined;
    if (record.state === 'committed' && !(await damageOf(core, record))) return record;
    crid = record.parent;
  }
  return undefined;
}

/** Why it cannot be restored, as far as that is its image's fault. */
async function damageOf(core: Core, record: CheckpointRecord): Promise<PortLayerError | undefined> {
  const { crid, quarantined } = record;
  if (quarantined) {
    return new PortLayerError('CHECKPOINT_CORRUPT', `Checkpoint ${crid} is quarantined.`, {
      required: 'a checkpoint that is whole',
      found: quarantined.reason,
      remedy: `Look again with: portlayer checkpoint verify ${crid}`,
      facts: { crid },
    });
  }
  if (record.state !== 'committed') return undefined;
  try {
    const held = await core.store.hold(crid);
    held.release();
    await bringLayersBack(core, record);
    return undefined;
  } catch (caught) {
    const error = PortLayerError.from(caught);
    if (error.code !== 'CHECKPOINT_CORRUPT') throw caught;
    quarantine(core, crid, error);
    return error;
  }
}

function aboutAncestor(
  error: PortLayerError,
  { crid }: CheckpointRecord,
  ancestor: CheckpointRecord | undefined,
): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', error.message, {
    ...(error.required === undefined ? {} : { required: error.required }),
    ...(error.found === undefined ? {} : { found: error.found }),
    remedy: ancestor
      ? `Restore its newest good ancestor: portlayer restore ${ancestor.crid}`
      : 'None of its ancestors is whole. Restore another checkpoint: portlayer checkpoint ls',
    facts: { crid, ...(ancestor ? { ancestor: ancestor.crid } : {}) },
    cause: error,
  });
}
