import { setTimeout as sleep } from 'node:timers/promises';
import type { MonitorClient } from '../../portlayer/environments/monitor/monitor-client.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import type { Containers } from './containers.js';
import type { MachinePaths } from './layout.js';
import type { Place } from './place.js';
import { withQmp } from './qmp/qmp-client.js';

const SIGTERM = 15;
const killTimeoutMs = 10_000;

/** SIGTERM to the task, SIGKILL to the machine after `graceMs`. Resolves when it has ended; at once where it has already. */
export async function stopContainer(
  place: Place,
  containers: Containers,
  uid: string,
  graceMs: number,
): Promise<void> {
  if (!(await containers.exists(uid))) return;
  const client = containers.client(uid);
  if (
    graceMs > 0 &&
    !client.isOver() &&
    (await findMonitor(place.host, containers.paths(uid).directory)) !== undefined
  ) {
    await client.signal(SIGTERM).catch(() => {}); // It may end meanwhile, or its init may hang: SIGKILL follows.
    // What is paused cannot act on a signal.
    await withQmp(place.host, containers.paths(uid).qmp, qmp => qmp.execute('cont'), {
      ms: Math.min(graceMs, 2000),
    }).catch(() => {});
    if (await within(client.ended, graceMs)) return;
  }
  await killContainer(place, containers, uid);
}

/** Ends a container's machine at once. */
export async function killContainer(place: Place, containers: Containers, uid: string): Promise<void> {
  await killMachine(place, containers.paths(uid), () => containers.client(uid));
}

/** Ends a machine at once: by its monitor, which kills the bridge and QEMU, or, where that does not end, by their pids. */
export async function killMachine(
  place: Place,
  paths: MachinePaths,
  clientOf: () => MonitorClient,
): Promise<void> {
  const { directory } = paths;
  if ((await findMonitor(place.host, directory)) !== undefined) {
    const client = clientOf();
    client.kill().catch(() => {});
    if (await within(client.ended, killTimeoutMs)) return;
    const monitor = await findMonitor(place.host, directory);
    if (monitor !== undefined) await place.host.run(['kill', '-KILL', String(monitor)]);
    await within(client.ended, killTimeoutMs);
  }
  await killLeftovers(place, paths);
}

/** A monitor that was killed leaves the bridge behind, which QEMU ends with; it is known by the socket in its command line. */
export async function killLeftovers(place: Place, { relay, directory }: MachinePaths): Promise<void> {
  const { files } = place.host;
  if (await files.exists(`${directory}/exit`)) return;
  const pids: string[] = [];
  for (const { name } of await files.list('/proc')) {
    if (!/^[1-9]\d*$/.test(name)) continue;
    const argv = (await files.read(`/proc/${name}/cmdline`).then(String, () => '')).split('\0');
    if (argv[1] === 'machine' && argv.includes(`${relay}/relay.sock`)) pids.push(name);
  }
  if (pids.length > 0) await place.host.run(['kill', '-KILL', ...pids]);
}

/** True where `ended` is settled within `ms`. */
export async function within(ended: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const settled = ended.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, sleep(ms, false, { signal: timer.signal }).catch(() => false)]);
  } finally {
    timer.abort();
  }
}
