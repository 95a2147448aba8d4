import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';

/** The version of the manifest's form; separate from the program's own. Rises when an old reader would misread. */
const MANIFEST_VERSION = 1;

/** What describes one checkpoint beside its image: enough to list, check and restore it with no catalog. */
export interface Manifest {
  readonly version: typeof MANIFEST_VERSION;
  readonly checkpoint: CheckpointRecord;
}

/** The manifest as it is written: JSON with a line end, for people to read. */
export function encodeManifest(checkpoint: CheckpointRecord): string {
  const manifest: Manifest = { version: MANIFEST_VERSION, checkpoint };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Reads a manifest back. Throws CHECKPOINT_CORRUPT for one that is not whole or not of a checkpoint `crid`. */
export function decodeManifest(crid: string, text: string): CheckpointRecord {
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(text) as Partial<Manifest>;
  } catch (cause) {
    throw corrupt(crid, 'it is not JSON', cause);
  }
  if (manifest.version !== MANIFEST_VERSION)
    throw corrupt(crid, `its version is ${String(manifest.version)}`);
  const checkpoint = manifest.checkpoint;
  if (checkpoint?.crid !== crid) throw corrupt(crid, `it names ${String(checkpoint?.crid)}`);
  if (checkpoint.state !== 'committed' || !checkpoint.image || !checkpoint.spec) {
    throw corrupt(crid, 'parts are missing');
  }
  return checkpoint;
}

function corrupt(crid: string, found: string, cause?: unknown): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', `The manifest of checkpoint ${crid} cannot be used.`, {
    required: `a whole manifest of version ${MANIFEST_VERSION}`,
    found,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
    facts: { crid },
    cause,
  });
}
