import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';
import { findTool } from '../process/find-tool.js';

/** Puts a link to busybox for each of its commands into DIRECTORY/bin; the applets say their own names. */
const script =
  'set -e; rm -rf "$2"; mkdir -p "$2/bin" "$2/etc" "$2/root" "$2/tmp" "$2/usr"; chmod 1777 "$2/tmp"; cp "$1" "$2/bin/busybox"; ' +
  'for name in $("$1" --list); do [ "$name" = busybox ] || ln -s busybox "$2/bin/$name"; done; ' +
  'ln -s bin "$2/sbin"; ln -s ../bin "$2/usr/bin"; ln -s ../bin "$2/usr/sbin"; ' +
  'echo "root:x:0:0:root:/root:/bin/sh" >"$2/etc/passwd"; echo "root:x:0:" >"$2/etc/group"';

/**
 * The smallest root file system there is: one static busybox under all its names. Made once at `directory`; the path.
 * Throws CAPABILITY_MISSING where the host has no busybox.
 */
export async function busyboxRoot(host: Host, directory: string): Promise<string> {
  if (await host.files.exists(`${directory}/bin/sh`)) return directory;
  const busybox = await findTool(host, 'busybox');
  if (busybox === undefined) {
    throw new PortLayerError('CAPABILITY_MISSING', 'There is nothing to make a root file system of.', {
      required: 'a rootfs, or a static busybox on the host',
      found: 'neither',
      remedy: 'Name a directory with --rootfs, or run: apt-get install busybox-static',
      facts: { field: 'rootfs' },
    });
  }
  const partial = `${directory}.${process.pid}.partial`;
  const done = await host.run(['/bin/sh', '-c', script, 'sh', busybox, partial]);
  if (done.code !== 0) {
    await host.files.remove(partial);
    throw new PortLayerError('INTERNAL', 'The smallest root file system could not be made.', {
      found: done.stderr.trim().slice(0, 300),
      remedy: 'Name a directory with --rootfs.',
    });
  }
  // Whoever was faster made the same.
  await host.files.rename(partial, directory).catch(() => host.files.remove(partial));
  return directory;
}
