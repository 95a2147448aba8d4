import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { needQemu } from '../need-qemu.js';
import type { Place } from '../place.js';

/** Runs qemu-img. Throws STORE_FULL, or INTERNAL with what it said. */
export async function qemuImg(place: Place, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const done = await place.host.run([needQemu(place).image, ...args], signal ? { signal } : {});
  if (done.code === 0) return done.stdout;
  const noRoom = /No space left|quota/i.test(done.stderr);
  throw new PortLayerError(
    noRoom ? 'STORE_FULL' : 'INTERNAL',
    `A disk could not be made ready (qemu-img ${args[0] ?? ''}).`,
    {
      found: done.stderr.trim().slice(0, 500),
      remedy: noRoom ? 'Free space and repeat the call.' : 'See the reason above.',
    },
  );
}
