import { readExitFile } from '../../portlayer/environments/monitor/exit-result.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { isUlid } from '../../portlayer/model/ids.js';
import type { Leftover, Leftovers } from '../../portlayer/plugin/leftovers.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';
import { sweepRun } from './sweep.js';

/**
 * What runs without a monitor have left: processes, mounts, cgroups, runc's state. Only of containers that this state
 * directory knows: another service of this host has its groups beside ours.
 */
export function createLeftovers(place: Place, containers: Containers): Leftovers {
  const { host, layout } = place;
  const { files } = host;

  /** By its monitor; or by whoever records its end, which has been told but not taken: that sweeps too. */
  async function watched(uid: string): Promise<boolean> {
    const { directory } = containers.paths(uid);
    return (
      (await findMonitor(host, directory)) !== undefined ||
      (await readExitFile(host, directory)) !== undefined
    );
  }

  async function ofRun(uid: string, mounts: readonly string[]): Promise<readonly Leftover[]> {
    if (await watched(uid)) return [];
    const { directory } = containers.paths(uid);
    const groups = place.groupBases.map(base => `${base}/${uid}`);
    const there = await Promise.all(groups.map(path => files.exists(path)));
    const left = groups.filter((_, i) => there[i]);
    const state = `${layout.runc}/${uid}`;
    const found: Leftover[] = [
      ...(await processesIn(left)).map(id => ({ uid, kind: 'process' as const, id })),
      ...mounts
        .filter(path => path.startsWith(`${directory}/`))
        .map(id => ({ uid, kind: 'mount' as const, id })),
      ...left.map(id => ({ uid, kind: 'cgroup' as const, id })),
      ...((await files.exists(state)) ? [{ uid, kind: 'state' as const, id: state }] : []),
    ];
    // It may have been started, or been removed, while we looked.
    return (await watched(uid)) ? [] : found;
  }

  /** Each process once, though it is in the groups of several hierarchies. */
  async function processesIn(groups: readonly string[]): Promise<readonly string[]> {
    const lists = await Promise.all(groups.map(group => read(`${group}/cgroup.procs`)));
    const pids = new Set(lists.flatMap(list => list.split('\n').filter(Boolean)));
    return Promise.all([...pids].map(async pid => `${pid} ${(await read(`/proc/${pid}/comm`)).trim()}`));
  }

  const read = (path: string) => files.read(path).then(String, () => '');

  return {
    async list() {
      const entries = [...(await files.list(layout.containers)), ...(await files.list(layout.runc))];
      const mounts = (await read('/proc/self/mounts')).split('\n').map(line => line.split(' ')[1] ?? '');
      const found: Leftover[] = [];
      for (const uid of new Set(entries.map(({ name }) => name).filter(isUlid)))
        found.push(...(await ofRun(uid, mounts)));
      return found;
    },
    async sweep(uid) {
      if (!(await watched(uid))) await sweepRun(place, containers, uid);
    },
  };
}
