import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { MachinePaths } from '../layout.js';
import type { Place } from '../place.js';

/** Makes a file the own of the user that a machine's QEMU runs as, where that is another. */
export async function giveToQemu(place: Place, paths: MachinePaths, file: string): Promise<void> {
  if (place.users) await own(place, file, `${await place.users.of(paths)}:${place.users.gid}`);
}

/** Makes a file the service's own again: what is frozen is only read, also by the machine that wrote it. */
export async function takeFromQemu(place: Place, file: string): Promise<void> {
  if (place.users) await own(place, file, `${place.host.uid}:${place.host.gid}`);
}

async function own(place: Place, file: string, who: string): Promise<void> {
  const done = await place.host.run(['chown', '-h', who, '--', file]);
  if (done.code === 0) return;
  throw new PortLayerError('INTERNAL', 'A file could not be given to another user.', {
    found: done.stderr.trim().slice(0, 300),
    remedy: 'Set "user" in the configuration of the executor qemu to 0 and 0 to run QEMU as root.',
  });
}
