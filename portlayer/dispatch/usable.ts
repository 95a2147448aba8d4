import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';

/** Why a checkpoint cannot be restored, forked or published. */
export function notUsable(record: CheckpointRecord): PortLayerError {
  return new PortLayerError('WRONG_STATE', `Checkpoint ${record.crid} is ${record.state}.`, {
    required: 'captured or committed',
    found: record.state,
    remedy: 'Choose another, with: portlayer checkpoint ls',
    facts: { crid: record.crid, state: record.state },
  });
}
