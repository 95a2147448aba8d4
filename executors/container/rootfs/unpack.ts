import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Place } from '../place.js';
import { inUserNamespace } from '../rootless.js';
import { mustRun } from '../tools.js';
import { convertWhiteouts } from './whiteouts.js';

/**
 * Unpacks an archive into the directory `name` of this executor's, once. tar runs where nothing but that directory can
 * be written to: in a mount namespace whose root is the host's, read-only. So whatever names, links and devices
 * an archive holds, nothing of it leaves the directory. Devices are removed. Throws INVALID_SPEC for what tar
 * refuses, STORE_FULL where there is no room.
 */
export async function unpack(
  place: Place,
  archive: string,
  name: string,
  whiteouts: boolean,
): Promise<string> {
  const { host, layout } = place;
  const directory = `${layout.rootfs}/${name}`;
  if (await host.files.exists(directory)) return directory;
  const partial = `${layout.rootfs}/.partial-${name}-${Date.now()}`;
  const root = `${layout.rootfs}/.root-${name}-${Date.now()}`;
  await host.files.makeDirectory(partial, 0o755);
  await host.files.makeDirectory(root, 0o700);
  try {
    const tar = [
      'tar',
      '--extract',
      '--numeric-owner',
      ...(place.rootless ? ['--no-same-owner'] : []),
      '--delay-directory-restore',
      '--file',
      archive,
      '--directory',
      partial,
    ];
    const jail = ['--host-root', root, '--bind', partial, `${root}${partial}`, '--pivot', root];
    const done = await host.run([...inUserNamespace(place), host.initBinary, 'stage', ...jail, '--', ...tar]);
    if (done.code !== 0) throw refused(archive, done.stderr);
    await mustRun(host, ['find', partial, '-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete']);
    if (whiteouts) await convertWhiteouts(host, partial, place.rootless ? 'user' : 'trusted');
    await host.files.rename(partial, directory).catch(async caught => {
      if (!(await host.files.exists(directory))) throw caught; // Otherwise another service was first.
    });
    return directory;
  } finally {
    await host.files.remove(partial);
    await host.files.remove(root);
  }
}

function refused(archive: string, stderr: string): PortLayerError {
  const found = stderr.trim().split('\n').slice(0, 3).join('; ').slice(0, 500);
  if (/No space left|Disk quota/.test(stderr)) {
    return new PortLayerError('STORE_FULL', 'There is no room to unpack the rootfs.', {
      found,
      remedy: 'Free space and repeat the call.',
    });
  }
  return new PortLayerError('INVALID_SPEC', 'The archive cannot be used as a rootfs.', {
    required: 'a tar archive whose names, links and directories stay inside it',
    found,
    remedy: `Make ${archive} again, without absolute names, names with .., and entries below links.`,
    facts: { field: 'rootfs' },
  });
}
