import type { Mechanism } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { imageName, KEYS } from '../names.js';
import { vmforkCard } from './card.js';
import { takeImage } from './checkpoint.js';
import { vmforkConstraints } from './constraints.js';
import { restoreCopy } from './restore.js';
import { createTurns } from './turns.js';

/** The mechanism `vmfork` of the executor `vsphere`: Instant Clone. */
export function createVmfork(containers: Containers): Mechanism {
  const { machines } = containers;
  const parts = { containers, turns: createTurns(machines.config.clonesAtOnce) };
  const limit = () => AbortSignal.timeout(machines.config.taskMs);
  return {
    name: 'vmfork',
    level: 'executor',
    card: vmforkCard,
    constraints: vmforkConstraints,
    checkpoint: (container, into, gate, options, signal) =>
      takeImage(parts, container, into, gate, options, signal),
    restore: (from, as, _executor, signal) => restoreCopy(parts, from, as, signal),
    keeping: {
      async forget(crid) {
        const image = await machines.find(imageName(crid), KEYS.image, crid, limit());
        if (image) await machines.destroy(image, limit());
      },
      async list() {
        const all = await machines.all(limit());
        return all.map(({ extra }) => extra[KEYS.image] ?? '').filter(crid => crid !== '');
      },
    },
  };
}
