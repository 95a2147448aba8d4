import { type CgroupLayout, detectCgroups } from '../../portlayer/environments/cgroup/cgroup-layout.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { ProcessConfig } from './config.js';
import { type ChosenDisk, chooseDisk } from './disk-strategy.js';
import { createLayout, type Layout } from './layout.js';
import { type Namespaces, tryNamespaces } from './namespaces.js';

/** All that was found out, once, about the host that one executor works on. */
export interface Place {
  readonly host: Host;
  readonly layout: Layout;
  readonly config: ProcessConfig;
  readonly namespaces: Namespaces;
  readonly disk: ChosenDisk;
  readonly cgroups: CgroupLayout;
  /** True where a container gets a root of its own; else its task sees the host's paths. */
  readonly ownRoot: boolean;
}

/** Makes the executor's directories, puts the guest tool in place, and tries what the host gives. */
export async function surveyPlace(host: Host, config: ProcessConfig): Promise<Place> {
  const layout = createLayout(host.stateDirectory);
  for (const path of [layout.containers, layout.layers, layout.trees])
    await host.files.makeDirectory(path, 0o700);
  for (const path of [layout.empty, layout.bin]) await host.files.makeDirectory(path, 0o755);
  await installTool(host, layout);
  const [namespaces, cgroups] = await Promise.all([
    tryNamespaces(host, config.namespaces ?? 'auto'),
    detectCgroups(host),
  ]);
  const disk = await chooseDisk(host, layout, namespaces, config.disk);
  const ownRoot = namespaces.kinds.has('mount');
  return { host, layout, config, namespaces, disk, cgroups, ownRoot };
}

/** The guest tool is the init binary under another name; renewed only when it differs in size or content. */
async function installTool(host: Host, layout: Layout): Promise<void> {
  const tool = `${layout.bin}/checkpoint`;
  const wanted = await host.files.read(host.initBinary);
  const present = await host.files.read(tool).catch(() => undefined);
  if (!present?.equals(wanted)) await host.files.writeAtomic(tool, wanted, 0o755);
}
