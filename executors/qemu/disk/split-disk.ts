import { LAYER_DISK, type MachinePaths } from '../layout.js';
import type { Place } from '../place.js';
import type { Qmp } from '../qmp/qmp-client.js';
import { giveToQemu } from './give-to-qemu.js';
import { adoptLayer, diskFile, diskNode, type MachineDisk, makeOverlay, writeDisk } from './machine-disk.js';

/** A disk about to be frozen under a running QEMU: all that takes time is done before the one instant. {@link undoSplit} undoes it. */
export interface DiskSplit {
  /** From here on writes go into the new overlay. */
  now(): Promise<void>;
  /** The old overlay becomes the frozen layer. The layers of the machine's disk after it. */
  finish(): Promise<readonly string[]>;
}

/** Makes the overlay ready and shows it to QEMU. `bytes` is the size of the disk. */
export async function prepareSplit(
  place: Place,
  paths: MachinePaths,
  disk: MachineDisk,
  layer: string,
  bytes: number,
  qmp: Qmp,
): Promise<DiskSplit> {
  const [from, to] = [diskNode(disk.number), diskNode(disk.number + 1)];
  const file = diskFile(paths, disk.number + 1);
  const below = `${place.layout.layer(layer)}/${LAYER_DISK}`;
  const size = Math.ceil(bytes / 1024) * 1024;
  await makeOverlay(place, file, { path: below, format: 'qcow2' }, size);
  await giveToQemu(place, paths, file);
  await qmp.execute('blockdev-add', {
    driver: 'qcow2',
    'node-name': to,
    backing: null,
    discard: 'unmap',
    file: { driver: 'file', filename: file },
  });
  return {
    async now() {
      await qmp.execute('blockdev-snapshot', { node: from, overlay: to });
    },
    async finish() {
      const layers = [...disk.layers, layer];
      await writeDisk(place, paths, { number: disk.number + 1, layers });
      await adoptLayer(place, diskFile(paths, disk.number), layer);
      return layers;
    },
  };
}
