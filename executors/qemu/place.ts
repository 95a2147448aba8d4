import { type CgroupLayout, detectCgroups } from '../../portlayer/environments/cgroup/cgroup-layout.js';
import { findTool } from '../../portlayer/environments/process/find-tool.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { type Accelerator, chooseAccelerator } from './accelerator.js';
import type { FullQemuConfig } from './config.js';
import { createLayout, type Layout } from './layout.js';
import { type Offered, probeQemu } from './probe.js';
import { type Homes, readHomes } from './standby/homes.js';
import { chooseUsers, type QemuUsers } from './users.js';

/** QEMU on one host, or why there is none to use. */
export type QemuFound =
  | { readonly program: string; readonly image: string; readonly version: string; readonly sandbox: boolean }
  | { readonly program?: undefined; readonly reason: string };

/** All that was found out, once, about the host that one executor works on. */
export interface Place {
  readonly host: Host;
  readonly layout: Layout;
  readonly config: FullQemuConfig;
  readonly cgroups: CgroupLayout;
  readonly qemu: QemuFound;
  /** Who QEMU runs as; undefined: as the service does. */
  readonly users: QemuUsers | undefined;
  /** Which containers began as standbys. */
  readonly homes: Homes;
  /** Containers whose QEMU did not answer when it was last asked. */
  readonly silent: Set<string>;
  /** Found out by a trial when it is first asked for, which may take 3 s. */
  accelerator(): Promise<Accelerator>;
  /** What QEMU can show its guests under it; asked of it once. */
  offered(): Promise<Offered>;
}

const LEAST_VERSION = 7.2;

/** Makes the executor's directories and looks for QEMU. */
export async function surveyPlace(host: Host, config: FullQemuConfig): Promise<Place> {
  const homes = await readHomes(host, createLayout(host.stateDirectory, new Map()).standbys);
  const layout = createLayout(host.stateDirectory, homes.of);
  for (const path of [layout.containers, layout.standbys]) await host.files.makeDirectory(path, 0o700);
  // The directory above them is closed; QEMU, as another user, is shown these.
  for (const path of [layout.layers, layout.bases, layout.kernels])
    await host.files.makeDirectory(path, 0o755);
  await host.run(['chmod', '0755', layout.layers, layout.bases, layout.kernels]); // Whatever the umask says.
  const [cgroups, qemu] = await Promise.all([detectCgroups(host), findQemu(host, config.program)]);
  const { program = '', version = '' } = qemu.program === undefined ? {} : qemu;
  let accelerator: Promise<Accelerator> | undefined;
  let offered: Promise<Offered> | undefined;
  const place: Place = {
    host,
    layout,
    config,
    cgroups,
    qemu,
    users: await chooseUsers(host, config, layout),
    homes,
    silent: new Set(),
    accelerator() {
      accelerator ??= chooseAccelerator(host, layout.root, program, version, config.accelerator);
      return accelerator;
    },
    offered() {
      offered ??= place
        .accelerator()
        .then(({ name }) => probeQemu(host, layout.root, program, version, name));
      return offered;
    },
  };
  return place;
}

async function findQemu(host: Host, told: string | undefined): Promise<QemuFound> {
  const name = told ?? 'qemu-system-x86_64';
  const program = name.startsWith('/') ? name : await findTool(host, name);
  const image = await findTool(host, 'qemu-img');
  if (program === undefined) return { reason: `there is no command ${name}` };
  if (image === undefined) return { reason: 'there is no command qemu-img' };
  const said = await host.run([program, '--version']);
  const version = /version (\d+(?:\.\d+)+)/.exec(said.stdout)?.[1];
  if (version === undefined)
    return { reason: `${program} does not say its version: ${said.stderr.trim().slice(0, 200)}` };
  if (Number.parseFloat(version) < LEAST_VERSION)
    return { reason: `QEMU ${version} is older than ${LEAST_VERSION}` };
  const help = await host.run([program, '-sandbox', 'help']);
  return { program, image, version, sandbox: !/no such option|disabled|not support/i.test(help.stderr) };
}
