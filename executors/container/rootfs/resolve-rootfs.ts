import { createHash } from 'node:crypto';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Place } from '../place.js';
import { readLayout } from './oci-layout.js';
import { unpack } from './unpack.js';

/**
 * The directories of a root file system, topmost first: the directory itself, or those that its archives were unpacked
 * to, once for each content. What it is, is seen by looking. Throws INVALID_SPEC where it is none of the three.
 */
export async function resolveRootfs(place: Place, rootfs: string): Promise<readonly string[]> {
  const { files } = place.host;
  const entries = await files.list(rootfs).catch(() => undefined);
  if (entries?.some(entry => entry.name === 'oci-layout')) return layersOf(place, rootfs);
  if (entries) return [rootfs];
  if (!(await files.exists(rootfs))) throw noRootfs(rootfs, `nothing at ${rootfs}`);
  // By content as far as it can be told without reading it: another archive at the same path is another key.
  const stat = await place.host.run(['stat', '-c', '%F %s %Y %Z %i', '--', rootfs]);
  if (!stat.stdout.startsWith('regular file'))
    throw noRootfs(rootfs, `a ${stat.stdout.split(' ').slice(0, 2).join(' ')}`);
  const key = createHash('sha256').update(`${rootfs}\n${stat.stdout}`).digest('hex');
  return [await unpack(place, rootfs, `tar-${key.slice(0, 32)}`, false)];
}

async function layersOf(place: Place, layout: string): Promise<readonly string[]> {
  const layers = await readLayout(place, layout);
  const directories: string[] = [];
  for (const layer of layers) directories.push(await unpack(place, layer.path, `oci-${layer.hex}`, true));
  return directories.reverse();
}

function noRootfs(rootfs: string, found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The executor container cannot use this rootfs.', {
    required: 'a directory, a tar archive, or an OCI image layout',
    found,
    remedy: `Put one at ${rootfs}, or correct the path.`,
    facts: { field: 'rootfs' },
  });
}
