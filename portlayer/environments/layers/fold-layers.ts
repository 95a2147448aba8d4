import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/** Folds directories (lowest first) into the new directory `into` by hard links. `base`: nothing lies below them. Throws STORE_FULL or INTERNAL. */
export async function foldLayers(
  host: Host,
  from: readonly string[],
  into: string,
  base: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const argv = [host.initBinary, 'fold', ...(base ? ['--base'] : []), into, ...from];
  const done = await host.run(argv, signal ? { signal } : {});
  if (done.code === 0) return;
  const noRoom = /No space left|Disk quota/.test(done.stderr);
  throw new PortLayerError(noRoom ? 'STORE_FULL' : 'INTERNAL', 'Layers could not be folded.', {
    found: done.stderr.trim().slice(0, 500),
    remedy: noRoom ? 'Free space and repeat the call.' : 'See the reason above. The layers are intact.',
  });
}
