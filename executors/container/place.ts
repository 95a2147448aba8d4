import { createHash } from 'node:crypto';
import { type CgroupLayout, detectCgroups } from '../../portlayer/environments/cgroup/cgroup-layout.js';
import { findTool } from '../../portlayer/environments/process/find-tool.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { ownFiles, skeletonDirectories } from './bundle/paths-inside.js';
import type { ContainerConfig } from './config.js';
import { type CriuFound, findCriu } from './criu/find-criu.js';
import { createLayout, type Layout } from './layout.js';
import { findRunc, type RuncFound } from './runc.js';

/** All that was found out, once, about the host that one executor works on. */
export interface Place {
  readonly host: Host;
  /** True where the service is not root: user namespaces, no cgroups, no CRIU. */
  readonly rootless: boolean;
  readonly layout: Layout;
  readonly config: ContainerConfig;
  readonly runc: RuncFound;
  /** Looked for when it is first asked for: `criu check` takes some 200 ms. */
  criu(): Promise<CriuFound>;
  readonly cgroups: CgroupLayout;
  /** The directory `portlayer` of every cgroup hierarchy there is: runc makes a group in each. */
  readonly groupBases: readonly string[];
  /** The directory of this build's init and guest tool. */
  readonly bin: string;
  readonly architecture: string;
  readonly ip: string | undefined;
  readonly nsenter: string | undefined;
}

/** Makes the executor's directories, puts the init in place, and tries what the host gives. */
export async function surveyPlace(host: Host, config: ContainerConfig): Promise<Place> {
  const rootless = host.uid !== 0;
  const layout = createLayout(host.stateDirectory);
  const { containers, layers, trees, rootfs, runc, trial } = layout;
  for (const path of [containers, layers, trees, rootfs, runc, trial])
    await host.files.makeDirectory(path, 0o700);
  for (const path of [layers, trees, rootfs]) await removeHalves(host, path);
  await makeSkeleton(host, layout);
  const [bin, foundRunc, cgroups, groupBases, ip, nsenter, architecture] = await Promise.all([
    installInit(host, layout),
    findRunc(host, config.runc),
    rootless ? noCgroups(host.uid) : detectCgroups(host),
    findGroupBases(host),
    findTool(host, 'ip'),
    findTool(host, 'nsenter'),
    host.run(['uname', '-m']).then(done => done.stdout.trim()),
  ]);
  await host.run(['ln', '-sfn', '--', `${bin}/portlayer-init`, layout.criuStep]);
  await host.run([host.initBinary, 'limits-library', layout.limitsLibrary]);
  let found: Promise<CriuFound> | undefined;
  const criu = () => {
    found ??= findCriu(host, config.criuDirectory, trial);
    return found;
  };
  return {
    host,
    rootless,
    layout,
    config,
    runc: foundRunc,
    criu,
    cgroups,
    groupBases,
    bin,
    architecture,
    ip,
    nsenter,
  };
}

/** runc makes no groups in a user namespace; limits and the freezer are withheld. */
function noCgroups(uid: number): CgroupLayout {
  const reason = `the service runs as user ${uid}: containers get no cgroups`;
  return { kind: 'none', places: new Map(), writable: [], reason, remedy: 'Run the service as root.' };
}

/** What a service that was killed had begun to make or to remove: names with a dot, which nobody else looks at. */
async function removeHalves(host: Host, directory: string): Promise<void> {
  for (const { name } of await host.files.list(directory))
    if (name.startsWith('.')) await host.files.remove(`${directory}/${name}`);
}

async function makeSkeleton(host: Host, layout: Layout): Promise<void> {
  const { files } = host;
  if (await files.exists(layout.skeleton)) return;
  const partial = `${layout.skeleton}.${host.uid}-${Date.now()}.partial`;
  for (const name of skeletonDirectories) await files.makeDirectory(`${partial}/${name}`, 0o755);
  await host.run(['chmod', '1777', `${partial}/tmp`]);
  for (const name of ownFiles) await files.writeAtomic(`${partial}/etc/${name}`, '', 0o644);
  await files.rename(partial, layout.skeleton).catch(() => files.remove(partial)); // Another service was first.
}

/** An image holds the path and the size of its init: each build has a directory of its own, which stays. */
async function installInit(host: Host, layout: Layout): Promise<string> {
  const { files } = host;
  const wanted = await files.read(host.initBinary);
  const directory = `${layout.bin}/${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`;
  if (await files.exists(directory)) return directory;
  const partial = `${directory}.${Date.now()}.partial`;
  await files.makeDirectory(partial, 0o755);
  await files.writeAtomic(`${partial}/portlayer-init`, wanted, 0o755);
  await host.run(['ln', '--', `${partial}/portlayer-init`, `${partial}/checkpoint`]);
  await files.rename(partial, directory).catch(() => files.remove(partial));
  return directory;
}

async function findGroupBases(host: Host): Promise<readonly string[]> {
  const mounts = (await host.files.read('/proc/mounts').then(String, () => '')).split('\n');
  const paths = mounts
    .map(line => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => `${path}/portlayer`);
  return [...new Set(paths)];
}
