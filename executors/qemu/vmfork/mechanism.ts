import type { Mechanism } from '../../../portlayer/plugin/mechanism.js';
import { vmforkCard } from './card.js';
import { takeDump, type VmforkParts } from './checkpoint.js';
import { vmforkConstraints } from './constraints.js';
import { restoreCopy } from './restore.js';

/** The mechanism `vmfork` of the executor `qemu`. */
export function createVmfork(parts: VmforkParts): Mechanism {
  return {
    name: 'vmfork',
    level: 'executor',
    card: vmforkCard,
    constraints: vmforkConstraints,
    checkpoint: (container, into, gate, options, signal) =>
      takeDump(parts, container, into, gate, options, signal),
    standby: parts?.standbys,
    restore: (from, as, _executor, signal) => restoreCopy(parts, from, as, signal),
  };
}
