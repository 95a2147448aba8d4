import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { mustRun } from '../tools.js';

/** A constant text: every path is an argument. */
const makeDevices = 'cd "$1" && shift && for f; do rm -rf -- "$f" && mknod -- "$f" c 0 0 || exit 1; done';
const prefix = '.wh.';
const opaque = '.wh..wh..opq';
const batch = 200;

/**
 * Marks of removal as image layers have them (`.wh.NAME`, and `.wh..wh..opq` for a whole directory) become those of
 * overlayfs: a character device 0:0, and an attribute. Source: image-spec 1.1, layer.md, "Whiteouts".
 */
export async function convertWhiteouts(
  host: Host,
  directory: string,
  attributes: 'trusted' | 'user',
): Promise<void> {
  const found = await mustRun(host, ['find', directory, '-xdev', '-name', `${prefix}*`, '-printf', '%P\\0']);
  const marks = found.split('\0').filter(Boolean);
  const directories = marks
    .filter(mark => baseOf(mark) === opaque)
    .map(mark => `${directory}/${parentOf(mark)}`);
  // `.wh...` or `.wh..` would name the directory itself, or the one above it.
  const names = marks.filter(mark => !baseOf(mark).startsWith('.wh..wh.'));
  const removed = names.map(mark => `./${parentOf(mark)}/${baseOf(mark).slice(prefix.length)}`);
  if (removed.some(path => /\/\.{0,2}$/.test(path))) throw badMark();
  for (const paths of batches(directories)) {
    const set = await host.run(['setfattr', '-n', `${attributes}.overlay.opaque`, '-v', 'y', '--', ...paths]);
    if (set.code !== 0) throw noAttributes(set.stderr);
  }
  for (const paths of batches(removed))
    await mustRun(host, ['sh', '-c', makeDevices, 'sh', directory, ...paths]);
  for (const paths of batches(marks))
    await mustRun(host, ['rm', '-f', '--', ...paths.map(path => `${directory}/${path}`)]);
}

function* batches(all: readonly string[]): Iterable<readonly string[]> {
  for (let at = 0; at < all.length; at += batch) yield all.slice(at, at + batch);
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');

function badMark(): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The archive cannot be used as a rootfs.', {
    required: 'marks of removal that name a file',
    found: 'one that names the directory it is in, or the one above',
    remedy: 'Make the image again.',
    facts: { field: 'rootfs' },
  });
}

function noAttributes(stderr: string): PortLayerError {
  return new PortLayerError(
    'CAPABILITY_MISSING',
    'This host cannot unpack a layer that replaces a directory.',
    {
      required: 'the command setfattr, and a file system with trusted attributes',
      found: stderr.trim().slice(0, 200),
      remedy: 'apt-get install attr',
      facts: { level: 'executor', name: 'container' },
    },
  );
}
