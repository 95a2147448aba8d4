import { createHash } from 'node:crypto';
import { findGuestKernel, type GuestKernel } from '../../portlayer/environments/machine/guest-kernel.js';
import { buildInitramfs, writeGuestInitramfs } from '../../portlayer/environments/machine/initramfs.js';
import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { startMonitor } from '../../portlayer/environments/monitor/start-monitor.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../portlayer/plugin/executor.js';
import { waitForInit } from './boot.js';
import { buildCommand, type MachineStart } from './command.js';
import type { Containers } from './containers.js';
import { prepareDisk } from './disk/machine-disk.js';
import { killContainer, killLeftovers } from './ending.js';
import { beginUnlimited, limitAsAsked } from './first-limit.js';
import { clockArgument } from './guest/clock-argument.js';
import { initArguments } from './guest/init-arguments.js';
import { GATEWAY, identityOf } from './identity.js';
import { type MachinePlan, machinePlanOf } from './machine-plan.js';
import { memoryMiB, optionsOf } from './options.js';
import type { Place } from './place.js';

/** `sun_path` holds so many bytes before its end. Source: unix(7). */
const maxSocketPathBytes = 107;

/**
 * Boots one machine: disk, initramfs, then one command that leaves the monitor behind, with the bridge and QEMU below
 * it. Resolves when the init in the guest has taken over. A boot that hangs is tried again; see {@link waitForInit}.
 */
export async function startMachine(
  place: Place,
  containers: Containers,
  request: StartRequest,
  signal: AbortSignal,
): Promise<void> {
  const { host } = place;
  const { uid, spec } = request;
  const plan = machinePlanOf(request.launch);
  const kernel = await needKernel(place, plan);
  const paths = containers.paths(uid);
  await clearRun(place, containers, uid);
  const [disk, base, accelerator] = await Promise.all([
    prepareDisk(place, paths, request, signal),
    buildInitramfs(host, place.layout.kernels, kernel, plan.modules),
    place.accelerator(),
  ]);
  const identity = identityOf(uid, spec);
  await writeGuestInitramfs(host, base, initArguments(request, identity, GATEWAY), paths.initramfs);
  const [file, clock] = await Promise.all([
    kernelFile(place, kernel),
    clockArgument(place, optionsOf(spec).machine, accelerator.name),
  ]);
  const begin = { kind: 'boot', kernel: file, append: `${plan.append}${clock}` } as const;
  for (let tries = place.config.bootTries; ; tries--) {
    await launch(
      place,
      containers,
      uid,
      { spec, paths, disk, identity, accelerator: accelerator.name, begin },
      signal,
    );
    if (await waitForInit(place, containers, uid, tries > 1, signal)) break;
    await clearRun(place, containers, uid);
  }
  await Promise.all([host.files.remove(paths.initramfs), limitAsAsked(place, containers, uid)]);
}

/** Ends and removes what an earlier run of this machine left, and makes its directory. */
export async function clearRun(place: Place, containers: Containers, uid: string): Promise<void> {
  const { host } = place;
  const paths = containers.paths(uid);
  checkSocketPath(`${paths.relay}/relay.sock`);
  if (await containers.exists(uid)) {
    if ((await findMonitor(host, paths.directory)) !== undefined) await killContainer(place, containers, uid);
    else await killLeftovers(place, paths);
    for (const path of [
      `${paths.directory}/exit`,
      paths.relay,
      paths.qmp,
      paths.orders,
      paths.console,
      paths.errors,
      paths.restoring,
      paths.dumping,
      paths.limit,
    ])
      await host.files.remove(path);
  }
  containers.forget(uid);
  await host.files.makeDirectory(paths.directory, 0o700);
  await host.files.makeDirectory(paths.vm, 0o700);
}

/** Starts the monitor of a container and, below it, the bridge with QEMU. */
export async function launch(
  place: Place,
  containers: Containers,
  uid: string,
  start: Omit<MachineStart, 'user'>,
  signal: AbortSignal,
): Promise<void> {
  const cgroups = await beginUnlimited(place, containers, uid, start.spec);
  await launchMachine(place, start, cgroups, signal);
  containers.forget(uid);
  containers.client(uid);
}

/** As {@link launch}, for a machine that need not be a container yet. */
export async function launchMachine(
  place: Place,
  start: Omit<MachineStart, 'user'>,
  cgroups: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { spec, paths } = start;
  const [user] = await Promise.all([
    place.users?.of(paths),
    requireMemory(place, memoryMiB(spec), start.begin.kind === 'copy'),
  ]);
  const command = buildCommand(place, { ...start, ...(user === undefined ? {} : { user }) });
  await startMonitor(
    place.host,
    { directory: paths.directory, log: spec.log, cgroups, command, env: {} },
    signal,
  );
}

/** Where QEMU, as another user, can read the kernel: a copy, made once. */
async function kernelFile(place: Place, kernel: GuestKernel): Promise<string> {
  const { host, layout } = place;
  if (!place.users) return kernel.image;
  const path = `${layout.kernels}/vmlinuz-${createHash('sha256').update(kernel.image).digest('hex').slice(0, 16)}`;
  // -u: a kernel that was replaced is copied again.
  const done = await host.run(['cp', '-u', '--preserve=mode,timestamps', '--', kernel.image, path]);
  if (done.code === 0) return path;
  throw new PortLayerError('STORE_FULL', 'The guest kernel could not be copied.', {
    found: done.stderr.trim().slice(0, 300),
    remedy: 'Free space and repeat the call.',
  });
}

async function needKernel(place: Place, plan: MachinePlan): Promise<GuestKernel> {
  const { image, modulesDirectory } = plan;
  const places = {
    ...(image === undefined ? {} : { image }),
    ...(modulesDirectory === undefined ? {} : { modules: modulesDirectory }),
  };
  const kernel = await findGuestKernel(place.host, places);
  if (kernel) return kernel;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'There is no kernel for guests on this host.', {
    required: image ?? 'a kernel with its modules in the cache, or in /boot',
    found: 'none',
    remedy: 'Run: sh test/setup/parts/qemu.sh, or set "image" in the configuration of the loader kernel.',
    facts: { level: 'loader', name: 'kernel' },
  });
}

/** A machine that boots takes its memory sooner or later; of copies it is not known how much. */
async function requireMemory(place: Place, mib: number, copy: boolean): Promise<void> {
  const text = (await place.host.files.read('/proc/meminfo')).toString();
  const free = Math.floor(Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024);
  const wanted = copy ? 32 : mib;
  if (free >= wanted) return;
  throw new PortLayerError('QUOTA_EXCEEDED', 'The host has not enough memory for this machine.', {
    required: `${wanted} MiB`,
    found: `${free} MiB available`,
    remedy: 'End machines that are not needed, or ask for less memory.',
  });
}

function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return;
  throw new PortLayerError('INVALID_SPEC', 'The state directory has too long a path for the sockets in it.', {
    required: `at most ${maxSocketPathBytes} bytes for ${path}`,
    found: `${Buffer.byteLength(path)} bytes`,
    remedy: 'Choose a shorter state directory, for example /var/lib/portlayer.',
    facts: { field: 'stateDirectory' },
  });
}
