import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** Writes pairs of path and text, each whole or not at all. */
const script =
  'umask 077; while [ $# -gt 0 ]; do printf %s "$2" >"$1.new" && mv -f "$1.new" "$1" || exit 1; shift 2; done';

/**
 * Writes small files, each by one rename, without making them durable: what they tell is of no use once the host has
 * stopped. A sync here would wait for the image beside them, 200 ms for a gigabyte, while a fork is to take 100.
 */
export async function writeUnsynced(host: Host, texts: Readonly<Record<string, string>>): Promise<void> {
  const done = await host.run(['/bin/sh', '-c', script, 'sh', ...Object.entries(texts).flat()]);
  if (done.code === 0) return;
  const noRoom = /No space left|quota/i.test(done.stderr);
  throw new PortLayerError(noRoom ? 'STORE_FULL' : 'INTERNAL', 'A file could not be written.', {
    found: done.stderr.trim().slice(0, 300),
    remedy: noRoom ? 'Free space and repeat the call.' : 'See the reason above.',
  });
}
