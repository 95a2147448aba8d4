import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/** Packs a directory into the new file `file`: one tar archive, the same for the same tree. Throws STORE_FULL, INTERNAL. */
export async function packDirectory(
  host: Host,
  directory: string,
  file: string,
  signal?: AbortSignal,
): Promise<void> {
  const done = await host.run([host.initBinary, 'pack', directory, file], signal ? { signal } : {});
  if (done.code !== 0) throw failed(done.stderr, 'packed', 'INTERNAL');
}

/**
 * Unpacks such a file into the new directory `into`, with owners, times, devices and extended attributes. tar takes
 * neither names with `..` nor ways through links that the archive made. Throws STORE_FULL, CHECKPOINT_CORRUPT.
 */
export async function unpackDirectory(
  host: Host,
  file: string,
  into: string,
  signal?: AbortSignal,
): Promise<void> {
  await host.files.makeDirectory(into, 0o700);
  const tar = ['tar', '--extract', '--file', file, '--directory', into];
  const keep = ['--preserve-permissions', '--numeric-owner', '--xattrs', '--xattrs-include=*'];
  const done = await host.run([...tar, ...keep, '--delay-directory-restore'], signal ? { signal } : {});
  if (done.code !== 0) throw failed(done.stderr, 'unpacked', 'CHECKPOINT_CORRUPT');
}

function failed(stderr: string, what: string, code: 'INTERNAL' | 'CHECKPOINT_CORRUPT'): PortLayerError {
  const found = stderr.trim().split('\n').slice(0, 3).join('; ').slice(0, 500);
  const noRoom = /No space left|Disk quota/.test(stderr);
  return new PortLayerError(noRoom ? 'STORE_FULL' : code, `A layer could not be ${what}.`, {
    found,
    remedy: noRoom ? 'Free space and repeat the call.' : 'See the reason above.',
  });
}
