import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';

/**
 * The cgroups that a machine begins in. It has at least one CPU until it is up: a boot with a tenth of one takes ten
 * times as long under TCG, which looks like a boot that hangs. {@link limitAsAsked} follows, also by the next service.
 */
export async function beginUnlimited(
  place: Place,
  containers: Containers,
  uid: string,
  spec: ContainerSpec,
): Promise<readonly string[]> {
  const { cpus } = spec.resources;
  if (cpus === undefined || cpus === 0) return [];
  const note = containers.paths(uid).limit;
  if (cpus < 1) await place.host.files.writeAtomic(note, JSON.stringify({ cpus }), 0o600, { durable: false });
  return containers.group(uid).prepare({ cpus: Math.max(1, cpus) });
}

/** Gives a machine that is up the limit that it did not begin with. No effect where it has it. */
export async function limitAsAsked(place: Place, containers: Containers, uid: string): Promise<void> {
  const { files } = place.host;
  const note = containers.paths(uid).limit;
  if (!(await files.exists(note))) return;
  const { cpus } = JSON.parse(String(await files.read(note))) as { cpus: number };
  await containers.group(uid).limit({ cpus });
  await files.remove(note);
}
