import { setTimeout as sleep } from 'node:timers/promises';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';

/**
 * What `exit` is called once the core has recorded it: the run no longer counts, yet it is known to have ended in order.
 * Without it each next start looked through every process of the host, 5 to 10 ms on one with a hundred.
 */
export const SETTLED_EXIT = 'exit.settled';

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
    const ended = await within(client.ended, graceMs);
    if (ended) return;
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
    if (place.cgroups.places.has('freezer')) await group.kill();
    if (await within(client.ended, killTimeoutMs)) return;
    const monitor = await findMonitor(place.host, directory);
    if (monitor !== undefined) await place.host.run(['kill', '-KILL', String(monitor)]);
    await within(client.ended, killTimeoutMs);
  }
  await killLeftovers(place, containers, uid);
}

/**
 * A monitor that was killed leaves what it watched over: found by its cgroup and by the command line of its init,
 * which takes its pid namespace with it. No effect on what has ended in order.
 */
export async function killLeftovers(place: Place, containers: Containers, uid: string): Promise<void> {
  if (place.cgroups.places.has('freezer')) await containers.group(uid).kill();
  const { directory, relay } = containers.paths(uid);
  const { files } = place.host;
  for (const name of ['exit', SETTLED_EXIT]) if (await files.exists(`${directory}/${name}`)) return;
  const pids: string[] = [];
  for (const { name } of await files.list('/proc')) {
    if (!/^[1-9]\d*$/.test(name)) continue;
    const argv = (await files.read(`/proc/${name}/cmdline`).then(String, () => '')).split('\0');
    if (argv.includes(`${relay}/relay.sock`)) pids.push(name);
  }
  if (pids.length > 0) await place.host.run(['kill', '-KILL', ...pids]);
}

async function thaw(place: Place, containers: Containers, uid: string): Promise<void> {
  if (place.cgroups.places.has('freezer'))
    await containers
      .group(uid)
      .thaw()
      .catch(() => {});
  else if (!containers.client(uid).isOver())
    await containers
      .client(uid)
      .thaw()
      .catch(() => {});
}

async function within(ended: Promise<unknown>, ms: number): Promise<boolean> {
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
