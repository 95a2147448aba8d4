import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/**
 * Copies a tree with everything `cp -a` keeps, on whatever host `run` runs commands. `to` must not exist; what a failed
 * copy left there is the caller's. `always` fails where the file system cannot share blocks.
 */
export async function copyTreeBy(
  run: Host['run'],
  from: string,
  to: string,
  reflink: 'always' | 'auto',
  signal?: AbortSignal,
): Promise<void> {
  const argv = ['cp', '-a', '--sparse=auto', `--reflink=${reflink}`, '--no-target-directory', '--', from, to];
  const done = await run(argv, signal ? { signal } : {});
  if (done.code === 0) return;
  const noRoom = /No space left|Disk quota exceeded/.test(done.stderr);
  throw new PortLayerError(
    noRoom ? 'STORE_FULL' : 'INTERNAL',
    `A directory could not be copied from ${from}.`,
    {
      found: done.stderr.trim().split('\n').slice(0, 3).join('; '),
      remedy: noRoom ? 'Free space and repeat the call.' : 'See the reason above.',
    },
  );
}
