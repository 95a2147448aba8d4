import type { Host } from '../../plugin/host.js';

/** A controller this port layer uses. `freezer` stands for `cgroup.freeze` where the tree is v2. */
export type Controller = 'cpu' | 'memory' | 'pids' | 'freezer';

/** Where groups of one controller are made, and in which version's way. */
export interface ControllerPlace {
  readonly version: 1 | 2;
  /** The directory `portlayer` below which each container gets a group. It exists. */
  readonly base: string;
}

/** The cgroups of a host, as far as they can be written. */
export interface CgroupLayout {
  readonly kind: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly places: ReadonlyMap<Controller, ControllerPlace>;
  /** The writable controllers, sorted. */
  readonly writable: readonly Controller[];
  /** Why something is missing, where it is. */
  readonly reason?: string;
  readonly remedy?: string;
}

interface Mount {
  readonly version: 1 | 2;
  readonly path: string;
  readonly controllers: readonly string[];
}

const wanted: readonly Controller[] = ['cpu', 'memory', 'pids', 'freezer'];

/**
 * Finds the cgroup hierarchies of a host by /proc/mounts, and tries which of them can be written by making the group
 * `portlayer` there: at the top as root, below the service's own group else (as systemd delegates it).
 * In a hybrid layout a controller of v1 is taken before one of v2.
 */
export async function detectCgroups(host: Host): Promise<CgroupLayout> {
  const mounts = parseMounts(await readText(host, '/proc/mounts'));
  const own =
    host.uid === 0 ? new Map<string, string>() : parseOwnGroups(await readText(host, '/proc/self/cgroup'));
  const places = new Map<Controller, ControllerPlace>();
  for (const mount of [...mounts].sort((a, b) => a.version - b.version)) {
    const above =
      mount.path +
      (own.get(mount.version === 2 ? '' : (mount.controllers[0] ?? '')) ?? '').replace(/\/$/, '');
    const offered = wanted.filter(
      name => !places.has(name) && (mount.version === 2 || mount.controllers.includes(name)),
    );
    if (offered.length === 0) continue;
    const base = `${above}/portlayer`;
    if (!(await makeGroup(host, base))) continue;
    const usable = mount.version === 1 ? offered : await enableV2(host, above, base, offered);
    for (const name of usable) places.set(name, { version: mount.version, base });
  }
  return describe(mounts, places, host.uid);
}

function describe(
  mounts: readonly Mount[],
  places: Map<Controller, ControllerPlace>,
  uid: number,
): CgroupLayout {
  const versions = new Set(mounts.map(mount => mount.version));
  const kind = versions.size === 2 ? 'hybrid' : versions.has(2) ? 'v2' : versions.has(1) ? 'v1' : 'none';
  const writable = wanted.filter(name => places.has(name)).sort();
  const missing = wanted.filter(name => !places.has(name));
  if (missing.length === 0) return { kind, places, writable };
  return {
    kind,
    places,
    writable,
    reason: `not writable by user ${uid} or not there: ${missing.join(', ')}`,
    remedy:
      uid === 0
        ? 'Mount the cgroup controllers, or boot with systemd.unified_cgroup_hierarchy=1.'
        : 'Run the service as root, or with: systemd-run --user --scope -p Delegate=yes portlayer serve',
  };
}

async function enableV2(
  host: Host,
  above: string,
  base: string,
  offered: readonly Controller[],
): Promise<Controller[]> {
  const usable: Controller[] = (await host.files.exists(`${base}/cgroup.freeze`)) ? ['freezer'] : [];
  const present = new Set((await readText(host, `${above}/cgroup.controllers`)).trim().split(/\s+/));
  for (const name of offered) {
    if (name === 'freezer' || !present.has(name)) continue;
    if (!(await writable(host, `${above}/cgroup.subtree_control`, `+${name}`))) continue;
    if (await writable(host, `${base}/cgroup.subtree_control`, `+${name}`)) usable.push(name);
  }
  return usable.filter(name => offered.includes(name));
}

async function makeGroup(host: Host, path: string): Promise<boolean> {
  try {
    await host.files.makeDirectory(path, 0o755);
    // A group that another user made is there but not ours to fill.
    const probe = `${path}/probe-${host.uid}`;
    await host.files.makeDirectory(probe, 0o755);
    await host.run(['rmdir', '--', probe]);
    return true;
  } catch {
    return false;
  }
}

async function writable(host: Host, path: string, value: string): Promise<boolean> {
  try {
    await host.files.writeInPlace(path, value);
    return true;
  } catch {
    return false;
  }
}

function parseMounts(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [, path = '', type, options = ''] = line.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    const names = options.split(',');
    mounts.push({
      version: type === 'cgroup2' ? 2 : 1,
      path,
      controllers: names.filter(n => n !== 'rw' && n !== 'relatime'),
    });
  }
  return mounts;
}

/** From controller name to path; the v2 tree has the empty name. */
function parseOwnGroups(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== undefined) for (const name of names.split(',')) groups.set(name, path);
  }
  return groups;
}

function readText(host: Host, path: string): Promise<string> {
  return host.files.read(path).then(String, () => '');
}
