import { createHash } from 'node:crypto';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/** Beside the files of the root, what a guest may write before its disk is full, where nobody says another size. */
const DEFAULT_BYTES = 2 * 2 ** 30;

/**
 * A directory as an ext4 file system in a sparse file, made without root by `mke2fs -d`. Made once for each state of the
 * directory, known by names, sizes, modes, owners and times of change, which costs no reading of contents; the path.
 * Throws STORE_FULL, or EXECUTOR_UNAVAILABLE with what mke2fs said.
 *
 * @param bytes size of the file system; default 2 GiB, of which only what is written takes room
 */
export async function buildDiskImage(
  host: Host,
  directory: string,
  rootfs: string,
  bytes = DEFAULT_BYTES,
  signal?: AbortSignal,
): Promise<string> {
  const options = signal ? { signal } : {};
  const listing = await host.run(
    [
      '/bin/sh',
      '-c',
      'cd "$1" && find . -printf "%P %s %m %U %G %T@ %l\\n" | LC_ALL=C sort | sha256sum',
      'sh',
      rootfs,
    ],
    options,
  );
  const key = createHash('sha256')
    .update(`${rootfs}\0${bytes}\0${listing.stdout}`)
    .digest('hex')
    .slice(0, 32);
  const path = `${directory}/${key}.ext4`;
  if (await host.files.exists(path)) return path;
  await host.files.makeDirectory(directory, 0o755);
  const partial = `${path}.${process.pid}.${Date.now()}.partial`;
  const size = `${Math.ceil(bytes / 1024)}k`;
  const features = [
    '-O',
    '^metadata_csum_seed',
    '-E',
    'lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0',
  ];
  const argv = [
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-m',
    '0',
    '-L',
    'portlayer',
    ...features,
    '-d',
    rootfs,
    partial,
    size,
  ];
  const done = await host.run(argv, { ...options, env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } });
  if (done.code === 0) {
    await host.run(['chmod', '0644', partial]); // Read by QEMU, as another user.
    await host.files.rename(partial, path);
    return path;
  }
  await host.files.remove(partial);
  const noRoom = /No space left|Could not allocate block/i.test(done.stderr);
  throw new PortLayerError(
    noRoom ? 'STORE_FULL' : 'EXECUTOR_UNAVAILABLE',
    'The root file system could not be made a disk image.',
    {
      required: `a directory that mke2fs can put into ${size}iB`,
      found: done.stderr.trim().slice(0, 500) || `exit code ${done.code}`,
      remedy: noRoom
        ? 'Free space, or ask for a larger disk with executorOptions.diskBytes.'
        : 'Install e2fsprogs, and see the reason above.',
      facts: { rootfs },
    },
  );
}
