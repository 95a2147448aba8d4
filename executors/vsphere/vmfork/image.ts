import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Machine, Machines } from '../machines.js';
import { imageName, KEYS } from '../names.js';

/** What an image's directory says: the image itself is a frozen machine in the vCenter. */
export interface ImageFacts {
  readonly version: 1;
  readonly crid: string;
  readonly instanceUuid: string;
  /** `running`: a clone that was frozen; `frozen`: the container's own machine. */
  readonly source: 'running' | 'frozen';
  /** How long the task stood still, in milliseconds. */
  readonly pauseMs: number;
}

/** Notes what the image is. */
export async function writeImageFacts(directory: string, facts: ImageFacts): Promise<void> {
  await writeFile(join(directory, 'portlayer.json'), JSON.stringify(facts), { mode: 0o600 });
}

/** The frozen machine of an image. Throws CHECKPOINT_CORRUPT where it is not there, not frozen any more, or another one. */
export async function needImage(
  machines: Machines,
  crid: string,
  directory: string,
  signal: AbortSignal,
): Promise<Machine> {
  const facts = await readFacts(directory);
  const machine = await machines.find(imageName(crid), KEYS.image, crid, signal);
  if (!machine) throw corrupt('a frozen virtual machine', `none of the name ${imageName(crid)}`);
  if (machine.instanceUuid !== facts.instanceUuid)
    throw corrupt(`the machine ${facts.instanceUuid}`, machine.instanceUuid);
  if (machine.power !== 'poweredOn') throw corrupt('a frozen virtual machine', `it is ${machine.power}`);
  return machine;
}

async function readFacts(directory: string): Promise<ImageFacts> {
  const text = await readFile(join(directory, 'portlayer.json'), 'utf8').catch(() => '{}');
  const facts = JSON.parse(text) as Partial<ImageFacts>;
  if (facts.version === 1 && typeof facts.instanceUuid === 'string') return facts as ImageFacts;
  throw corrupt('portlayer.json of version 1', 'none');
}

function corrupt(required: string, found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not in the vCenter as it was taken.', {
    required,
    found,
    remedy:
      'Restore another checkpoint, or take a new one. An image of vmfork ends with its machine and its host.',
  });
}
