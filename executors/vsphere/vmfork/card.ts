import type { FidelityCard } from '../../../portlayer/plugin/mechanism.js';

/** What the mechanism `vmfork` of vSphere keeps, loses and needs. design/mechanisms/vmfork-vsphere.md says the same at length. */
export const vmforkCard: FidelityCard = {
  preserves: 'machine',
  restores: 'here',
  ephemeral: true,
  keeps: [
    'everything in the virtual machine: kernel, processes, memory, open files, timers, sockets inside',
    'the disks, of the same moment',
  ],
  loses: [
    'TCP connections through the network card: a clone has a MAC address of its own',
    'itself, when its frozen machine or the host under that ends: it is memory, and cannot be made durable',
  ],
  needs: [
    'vCenter 6.7 or newer, for Instant Clone',
    'portlayer-init guest and VMware Tools in the template',
    'at a restore: the host that the frozen machine is on',
  ],
};
