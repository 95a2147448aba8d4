import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { FullQemuConfig } from './config.js';
import type { Layout, MachinePaths } from './layout.js';

/** Users that are not the service's, one for each machine. */
export interface QemuUsers {
  /** The first and the last of them. */
  readonly first: number;
  readonly last: number;
  /** All of them are in this group, which reads the images. */
  readonly gid: number;
  /** Whether they need CAP_SYS_PTRACE for userfaultfd(2). */
  readonly needsCapability: boolean;
  /** The machine's own user: the one it has had since it was made, or one that no other machine has. Throws QUOTA_EXCEEDED. */
  of(paths: MachinePaths): Promise<number>;
  /** The machine is gone: its user may be another's. */
  release(paths: MachinePaths): void;
}

const NOBODY = { uid: 65534, gid: 65534, count: 1 };

/** Root steps down, to the group of /dev/kvm where that is used. Undefined where QEMU runs as the service does. */
export async function chooseUsers(
  host: Host,
  config: FullQemuConfig,
  layout: Layout,
): Promise<QemuUsers | undefined> {
  if (host.uid !== 0 || config.user.uid === 0 || !(await reachable(host))) return undefined;
  const range = await mapped(host, [config.user, NOBODY]);
  if (!range) return undefined;
  const free = await host.files.read('/proc/sys/vm/unprivileged_userfaultfd').then(String, () => '1');
  const kvm = await host.run(['stat', '-c', '%g', '/dev/kvm']);
  const taken = await usersInUse(host, layout);
  const { uid: first, count } = range;

  return {
    first,
    last: first + count - 1,
    // Where it is root's, it lets everybody in or nobody.
    gid: kvm.code === 0 && kvm.stdout.trim() !== '0' ? Number(kvm.stdout.trim()) : range.gid,
    needsCapability: free.trim() === '0',
    async of(paths) {
      const noted = await host.files.read(paths.user).then(String, () => '');
      if (/^\d+$/.test(noted)) return Number(noted);
      let user = first;
      if (count > 1) {
        while (taken.has(user)) user++;
        if (user >= first + count) throw noUser(count);
        taken.set(user, paths.directory);
      }
      await host.files.writeAtomic(paths.user, String(user), 0o600, { durable: false });
      return user;
    },
    release(paths) {
      for (const [user, directory] of taken) if (directory === paths.directory) taken.delete(user);
    },
  };
}

/** The first of the ranges that there is in the service's user namespace. */
async function mapped<T extends { uid: number; count: number }>(
  host: Host,
  ranges: readonly T[],
): Promise<T | undefined> {
  const text = await host.files.read('/proc/self/uid_map').then(String, () => '0 0 4294967295');
  const maps = text
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number));
  return ranges.find(({ uid, count }) =>
    maps.some(([inside = 0, , length = 0]) => uid >= inside && uid + count <= inside + length),
  );
}

async function usersInUse(host: Host, layout: Layout): Promise<Map<number, string>> {
  const taken = new Map<number, string>();
  for (const parent of [layout.containers, layout.standbys]) {
    for (const { name } of await host.files.list(parent).catch(() => [])) {
      const paths = layout.machine(`${parent}/${name}`);
      const text = await host.files.read(paths.user).then(String, () => '');
      if (/^\d+$/.test(text)) taken.set(Number(text), paths.directory);
    }
  }
  return taken;
}

/** Whether anybody may go down to the state directory, which QEMU then finds another in the place of. */
async function reachable(host: Host): Promise<boolean> {
  const parents = host.stateDirectory
    .split('/')
    .slice(1, -1)
    .map((_, i, all) => `/${all.slice(0, i + 1).join('/')}`);
  if (parents.length === 0) return true;
  const done = await host.run(['stat', '-L', '-c', '%a', ...parents]);
  return (
    done.code === 0 &&
    done.stdout
      .trim()
      .split('\n')
      .every(mode => (Number.parseInt(mode, 8) & 1) === 1)
  );
}

function noUser(count: number): PortLayerError {
  return new PortLayerError('QUOTA_EXCEEDED', 'There is no user left for another machine.', {
    required: 'one of the users that "user" in the configuration of the executor qemu names',
    found: `${count} machines that have one each`,
    remedy: 'Remove machines that are not needed, or set a larger "count".',
  });
}
