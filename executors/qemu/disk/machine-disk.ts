import { missingLayer } from '../../../portlayer/environments/layers/layer-places.js';
import { busyboxRoot } from '../../../portlayer/environments/machine/busybox-root.js';
import { buildDiskImage } from '../../../portlayer/environments/machine/disk-image.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import { LAYER_DISK, type MachinePaths } from '../layout.js';
import { optionsOf } from '../options.js';
import type { Place } from '../place.js';
import { type Below, emptyOverlay, overlayBytes } from './empty-overlay.js';
import { takeFromQemu } from './give-to-qemu.js';
import { qemuImg } from './qemu-img.js';

/** A machine's disk: one overlay that is written to, on frozen layers, on the file system made of its rootfs. */
export interface MachineDisk {
  /** Rises with each overlay of this machine; part of the file's and of QEMU's node's name. */
  readonly number: number;
  /** The frozen layers under it, oldest first. */
  readonly layers: readonly string[];
}

/** The file that is written to. */
export const diskFile = (paths: MachinePaths, number: number): string => `${paths.vm}/disk-${number}.qcow2`;
/** The name by which QEMU knows it. */
export const diskNode = (number: number): string => `disk-${number}`;

/** What is noted of a machine's disk; undefined where it has none. A split that a killed service left half done is finished first. */
export async function readDisk(place: Place, paths: MachinePaths): Promise<MachineDisk | undefined> {
  const { files } = place.host;
  const text = await files.read(paths.disk).then(String, () => '');
  if (text === '') return undefined;
  const disk = JSON.parse(text) as MachineDisk;
  const top = disk.layers.at(-1);
  const before = diskFile(paths, disk.number - 1);
  // Noted before it was renamed: the disk that was frozen becomes its layer now.
  if (top !== undefined && !(await files.exists(place.layout.layer(top))) && (await files.exists(before))) {
    await adoptLayer(place, before, top);
  }
  return disk;
}

/** Notes the disk that is written to from now on. */
export async function writeDisk(place: Place, paths: MachinePaths, disk: MachineDisk): Promise<void> {
  await place.host.files.writeAtomic(paths.disk, JSON.stringify(disk), 0o600, { durable: false });
}

/** The file `from` becomes the frozen layer, in one step. */
export async function adoptLayer(place: Place, from: string, layer: string): Promise<void> {
  const { files } = place.host;
  const partial = `${place.layout.layers}/.partial-${layer}`;
  await Promise.all([files.makeDirectory(partial, 0o755), takeFromQemu(place, from)]);
  await files.rename(from, `${partial}/${LAYER_DISK}`);
  await files.rename(partial, place.layout.layer(layer));
}

/** The disk of the next run: the one there is, or a new overlay on the layers of the request. */
export async function prepareDisk(
  place: Place,
  paths: MachinePaths,
  request: Pick<StartRequest, 'spec' | 'layers'>,
  signal: AbortSignal,
): Promise<MachineDisk> {
  const { files } = place.host;
  const known = await readDisk(place, paths);
  if (known && (await files.exists(diskFile(paths, known.number)))) {
    await foldBack(place, paths, known);
    return known;
  }
  const below = await lowerOf(place, request, signal);
  const disk = { number: (known?.number ?? 0) + 1, layers: request.layers };
  await makeOverlay(place, diskFile(paths, disk.number), below);
  await writeDisk(place, paths, disk);
  return disk;
}

/** Makes a new, empty overlay at `path`, of the size of what it stands on or of `bytes`. */
export async function makeOverlay(place: Place, path: string, below: Below, bytes?: number): Promise<void> {
  const size = bytes ?? (await bytesOf(place, below));
  await place.host.files.writeAtomic(path, emptyOverlay(below, size), 0o644, { durable: false });
}

async function bytesOf(place: Place, { path, format }: Below): Promise<number> {
  const { files } = place.host;
  if (format === 'raw') return files.size(path);
  const bytes = overlayBytes(await files.readFrom(path, 0, 32));
  if (bytes !== undefined) return bytes;
  throw new PortLayerError('CHECKPOINT_CORRUPT', 'A disk that others stand on is not as it was frozen.', {
    required: `a qcow2 file at ${path}`,
    found: 'another form',
    remedy: 'Restore another checkpoint, or take a new one.',
  });
}

async function lowerOf(
  place: Place,
  request: Pick<StartRequest, 'spec' | 'layers'>,
  signal: AbortSignal,
): Promise<Below> {
  const files = request.layers.map(layer => `${place.layout.layer(layer)}/${LAYER_DISK}`);
  const there = await Promise.all(files.map(path => place.host.files.exists(path)));
  const missing = request.layers[there.indexOf(false)];
  if (missing !== undefined) throw missingLayer(missing);
  const path = files.at(-1);
  if (path !== undefined) return { path, format: 'qcow2' };
  const rootfs = request.spec.rootfs ?? (await busyboxRoot(place.host, place.layout.busybox));
  const { diskBytes } = optionsOf(request.spec);
  return {
    path: await buildDiskImage(place.host, place.layout.bases, rootfs, diskBytes, signal),
    format: 'raw',
  };
}

/** QEMU ended between a split and its dump's end: what was written since goes back into the disk that was to be frozen. */
async function foldBack(place: Place, paths: MachinePaths, disk: MachineDisk): Promise<void> {
  const later = diskFile(paths, disk.number + 1);
  if (!(await place.host.files.exists(later))) return;
  await qemuImg(place, [
    'rebase',
    '-u',
    '-f',
    'qcow2',
    '-F',
    'qcow2',
    '-b',
    diskFile(paths, disk.number),
    later,
  ]);
  await qemuImg(place, ['commit', '-q', '-f', 'qcow2', later]);
  await place.host.files.remove(later);
}
