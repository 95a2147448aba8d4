import type { FidelityCard } from '../../../portlayer/plugin/mechanism.js';

/** What the mechanism `vmfork` of QEMU keeps, loses and needs. design/mechanisms/vmfork-qemu.md says the same at length. */
export const vmforkCard: FidelityCard = {
  preserves: 'machine',
  restores: 'elsewhere',
  keeps: [
    'everything in the machine: kernel, processes, memory, open files, timers, sockets inside',
    'the disk, of the same moment',
  ],
  loses: [
    'TCP connections through the network card: its network is new in a copy',
    'writes that the task made to its output within the last milliseconds may show in the copy, in the original, or in both',
  ],
  needs: [
    'QEMU 7.2 or newer with qemu-img; as root for the short pause (userfaultfd), else the machine stands still for the whole dump',
    'at a restore: the same QEMU, machine version, CPU model, accelerator, memory and devices',
  ],
};
