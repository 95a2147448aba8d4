import { setTimeout as sleep } from 'node:timers/promises';
import type { Containers } from './containers.js';
import { removeNetwork } from './network.js';
import type { Place } from './place.js';

/**
 * Removes what a run of a container left on the host when nothing watches over it any more: processes without an
 * owner (a restore that was killed leaves some), runc's state, cgroups, the network namespace. Idempotent. Legal
 * only where its monitor is gone. Mounts need no sweep: they were in namespaces that ended with their processes.
 */
export async function sweepRun(place: Place, containers: Containers, uid: string): Promise<void> {
  const { host, layout } = place;
  const paths = containers.paths(uid);
  await containers.group(uid).kill();
  await removeGroups(place, uid);
  await host.files.remove(`${layout.runc}/${uid}`);
  await removeNetwork(place, paths.network);
  await host.files.remove(paths.pid);
}

/** Removes the container's group in every hierarchy; the kernel takes a moment to let go of ended processes. */
async function removeGroups(place: Place, uid: string): Promise<void> {
  const { host } = place;
  for (let tries = 0; tries < 50; tries++) {
    const all = place.groupBases.map(base => `${base}/${uid}`);
    const there = await Promise.all(all.map(path => host.files.exists(path)));
    const left = all.filter((_, i) => there[i]);
    if (left.length === 0 || (await host.run(['rmdir', '--', ...left])).code === 0) return;
    await sleep(10);
  }
}
