import { setTimeout as sleep } from 'node:timers/promises';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';

const SIGTERM = 15;
const killTimeoutMs = 10_000;
const treeTimeoutMs = 3_000;

/** SIGTERM to the task, SIGKILL to everything after `graceMs`. Resolves when it has ended; at once where it has already. */
export async function stopContainer(
  place: Place,
  containers: Containers,
  uid: string,
  graceMs: number,
): Promise<void> {
  if (!(await containers.exists(uid))) return;
  const client = containers.client(uid);
  if (graceMs > 0 && !client.isOver()) {
    await client.signal(SIGTERM).catch(() => {}); // It may end meanwhile, or its init may hang: SIGKILL follows.
    await thaw(place, containers, uid); // What is paused cannot act on a signal.
    if (await within(client.ended, graceMs)) return;
  }
  await killContainer(place, containers, uid);
}

/** SIGKILL to everything of a container, by its monitor, by its cgroup, and to the monitor itself if it does not end. */
export async function killContainer(place: Place, containers: Containers, uid: string): Promise<void> {
  const directory = containers.paths(uid).directory;
  const group = containers.group(uid);
  if ((await findMonitor(place.host, directory)) !== undefined) {
    const client = containers.client(uid);
    const killed = client.kill();
    killed.catch(() => {});
    await within(killed, killTimeoutMs);
    await thaw(place, containers, uid); // What the v1 freezer holds does not die before.
    // The init goes first, so that the end is known as a kill; the cgroup is for what the monitor could not reach.
    if (await within(client.ended, treeTimeoutMs)) return;
    await group.kill();
    if (await within(client.ended, killTimeoutMs)) return;
    const monitor = await findMonitor(place.host, directory);
    if (monitor !== undefined) await place.host.run(['kill', '-KILL', String(monitor)]);
    await within(client.ended, killTimeoutMs);
  }
  await group.kill();
}

async function thaw(place: Place, containers: Containers, uid: string): Promise<void> {
  const byCgroup = place.cgroups.places.has('freezer');
  const done = byCgroup ? containers.group(uid).thaw() : containers.client(uid).thaw();
  await done.catch(() => {}); // It may have ended.
}

/** True when `ended` is settled within `ms`. */
export async function within(ended: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      ended.then(
        () => true,
        () => true,
      ),
      sleep(ms, false, { signal: timer.signal, ref: true }).catch(() => false),
    ]);
  } finally {
    timer.abort();
  }
}
