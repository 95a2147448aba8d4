import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Place } from '../place.js';

/** Makes a file, or a directory with all in it, QEMU's own, where QEMU runs as another user. */
export async function giveToQemu(place: Place, path: string): Promise<void> {
  const { user, host } = place;
  if (!user) return;
  const done = await host.run(['chown', '-hR', `${user.uid}:${user.gid}`, '--', path]);
  if (done.code === 0) return;
  throw new PortLayerError('INTERNAL', 'A file could not be given to the user that QEMU runs as.', {
    found: done.stderr.trim().slice(0, 300),
    remedy: 'Set "user" in the configuration of the executor qemu to 0 and 0 to run QEMU as root.',
  });
}
