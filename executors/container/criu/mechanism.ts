import { createLayerDisk } from '../../../portlayer/environments/layers/layer-disk.js';
import type { Mechanism } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import type { Place } from '../place.js';
import { criuCard } from './card.js';
import { takeDump } from './checkpoint.js';
import { criuConstraints } from './constraints.js';
import { recoverPause } from './freeze.js';
import { recoverCopy, restoreCopy } from './restore.js';

/** The mechanism `criu` and what it does when a service is started again. */
export interface Criu {
  readonly mechanism: Mechanism;
  /** Finishes or undoes, for a container that runs, what a killed service had begun with it. */
  recover(uid: string, signal: AbortSignal): Promise<void>;
}

/** The mechanism `criu` of the executor `container`: by `runc checkpoint` and `runc restore`. */
export function createCriu(place: Place, containers: Containers, log: (message: string) => void): Criu {
  const parts = { place, containers, log, disk: createLayerDisk(place.host, place.layout) };
  return {
    mechanism: {
      name: 'criu',
      level: 'executor',
      card: criuCard,
      constraints: criuConstraints,
      checkpoint: (container, into, gate, options, signal) =>
        takeDump(parts, container, into, gate, options, signal),
      restore: (from, as, _executor, signal) => restoreCopy(parts, from, as, signal),
    },
    async recover(uid, signal) {
      await recoverPause(place, containers, uid);
      await recoverCopy(parts, uid, signal);
    },
  };
}
