import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Machines } from '../machines.js';
import { readObjects } from '../vim/properties.js';
import { list, type Ref } from '../vim/wire.js';

/** vSphere opens no disk with a longer chain of deltas. Source: VMware KB 67186, which warns from 100 on. */
const LONGEST = 255;
const WARN_FROM = 100;

/** How many files the longest disk of a machine consists of. Each Instant Clone of a running machine adds one. */
export async function chainLength(machines: Machines, machine: Ref, signal: AbortSignal): Promise<number> {
  const [found] = await readObjects(machines.vcenter.vim, [machine], ['layoutEx'], { signal });
  const disks = list((found?.values.layoutEx as { disk?: unknown } | undefined)?.disk) as readonly {
    chain?: unknown;
  }[];
  return Math.max(0, ...disks.map(disk => list(disk.chain).length));
}

/** Throws QUOTA_EXCEEDED where a further clone of a running machine would be one too many; logs where that is near. */
export function checkChain(length: number, uid: string, log: (message: string) => void): void {
  if (length >= WARN_FROM)
    log(`container ${uid}: its disk is a chain of ${length} files; vSphere opens at most ${LONGEST}`);
  if (length + 1 < LONGEST) return;
  throw new PortLayerError(
    'QUOTA_EXCEEDED',
    'The disk of this virtual machine cannot be cloned once more while it runs.',
    {
      required: `a chain of fewer than ${LONGEST - 1} files`,
      found: `${length}`,
      remedy:
        'Consolidate its disks in vCenter, or take checkpoints of it with "source": "frozen", which adds nothing to the chain.',
      facts: { uid, chain: String(length) },
    },
  );
}
