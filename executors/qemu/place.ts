import { type CgroupLayout, detectCgroups } from '../../portlayer/environments/cgroup/cgroup-layout.js';
import { findTool } from '../../portlayer/environments/process/find-tool.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { type Accelerator, chooseAccelerator } from './accelerator.js';
import type { FullQemuConfig } from './config.js';
import { createLayout, type Layout } from './layout.js';

/** QEMU on one host, or why there is none to use. */
export type QemuFound =
  | { readonly program: string; readonly image: string; readonly version: string; readonly sandbox: boolean }
  | { readonly program?: undefined; readonly reason: string };

/** A user that is not the service's. */
export interface QemuUser {
  readonly uid: number;
  readonly gid: number;
  /** Whether it needs CAP_SYS_PTRACE for userfaultfd(2). */
  readonly needsCapability: boolean;
}

/** All that was found out, once, about the host that one executor works on. */
export interface Place {
  readonly host: Host;
  readonly layout: Layout;
  readonly config: FullQemuConfig;
  readonly cgroups: CgroupLayout;
  readonly qemu: QemuFound;
  /** Who QEMU runs as; undefined: as the service does. */
  readonly user: QemuUser | undefined;
  /** Found out by a trial when it is first asked for, which may take 3 s. */
  accelerator(): Promise<Accelerator>;
}

const LEAST_VERSION = 7.2;

/** Makes the executor's directories and looks for QEMU. */
export async function surveyPlace(host: Host, config: FullQemuConfig): Promise<Place> {
  const layout = createLayout(host.stateDirectory);
  await host.files.makeDirectory(layout.containers, 0o700);
  // The directory above them is closed; QEMU, as another user, is shown these.
  for (const path of [layout.layers, layout.bases, layout.kernels])
    await host.files.makeDirectory(path, 0o755);
  await host.run(['chmod', '0755', layout.layers, layout.bases, layout.kernels]); // Whatever the umask says.
  const [cgroups, qemu] = await Promise.all([detectCgroups(host), findQemu(host, config.program)]);
  let accelerator: Promise<Accelerator> | undefined;
  return {
    host,
    layout,
    config,
    cgroups,
    qemu,
    user: await chooseUser(host, config),
    accelerator() {
      const { program = '', version = '' } = qemu.program === undefined ? {} : qemu;
      accelerator ??= chooseAccelerator(host, layout.root, program, version, config.accelerator);
      return accelerator;
    },
  };
}

/** Root steps down, to the group of /dev/kvm where that is used. Anybody else runs QEMU as himself. */
async function chooseUser(host: Host, config: FullQemuConfig): Promise<QemuUser | undefined> {
  if (host.uid !== 0 || config.user.uid === 0 || !(await reachable(host))) return undefined;
  const free = await host.files.read('/proc/sys/vm/unprivileged_userfaultfd').then(String, () => '1');
  const kvm = await host.run(['stat', '-c', '%g', '/dev/kvm']);
  const gid = kvm.code === 0 ? Number(kvm.stdout.trim()) : config.user.gid;
  return { uid: config.user.uid, gid, needsCapability: free.trim() === '0' };
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
