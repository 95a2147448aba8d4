import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { startMonitor } from '../../portlayer/environments/monitor/start-monitor.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../portlayer/plugin/executor.js';
import { identityOf } from './bundle/identity.js';
import { runcEnvironment, stagedRunc } from './command.js';
import type { Containers } from './containers.js';
import { killContainer } from './ending.js';
import { optionsOf } from './options.js';
import type { Place } from './place.js';
import { prepareRun } from './prepare.js';
import { lastRuncError, runcPath } from './runc.js';
import { sweepRun } from './sweep.js';

/** `sun_path` holds so many bytes before its end. Source: unix(7). */
const maxSocketPathBytes = 107;

/**
 * Starts one container: its directories, root, network and bundle, then one command that leaves the monitor behind and
 * runs runc below it. Resolves when the init has taken over. What an earlier start of it left is ended and removed first.
 */
export async function startContainer(
  place: Place,
  containers: Containers,
  request: StartRequest,
  signal: AbortSignal,
): Promise<void> {
  runcPath(place.runc);
  const { uid, spec } = request;
  const options = optionsOf(spec);
  const paths = containers.paths(uid);
  await clearRun(place, containers, request);
  const address = options.veth && (await containers.addresses.take(uid, options.veth.address));
  const asked = { request, options, identity: identityOf(uid, spec), address, bin: place.bin };
  const { overlay, setup } = await prepareRun(place, containers, asked, signal);
  const verb = ['run', '--detach', '--bundle', paths.bundle, '--pid-file', paths.pid, uid];
  await launch(
    place,
    containers,
    request,
    stagedRunc(place, paths, overlay, setup, verb),
    runcEnvironment(),
    signal,
  );
  await initTakesOver(place, containers, uid, signal);
}

/** Ends and removes what an earlier run of this container left, and makes its directory. */
export async function clearRun(place: Place, containers: Containers, request: StartRequest): Promise<void> {
  const { host } = place;
  const { uid } = request;
  const paths = containers.paths(uid);
  checkSocketPath(`${paths.relay}/checkpoint.sock`);
  if (request.launch.machine) throw machineRefused();
  if (await containers.exists(uid)) {
    if ((await findMonitor(host, paths.directory)) !== undefined) await killContainer(place, containers, uid);
    await sweepRun(place, containers, uid);
    for (const path of [`${paths.directory}/exit`, paths.relay, paths.log, paths.dumping, paths.restoring])
      await host.files.remove(path);
  }
  containers.forget(uid);
  await host.files.makeDirectory(paths.directory, 0o700);
}

/** Starts the monitor and, below it, `command`, which starts the container and ends. */
export async function launch(
  place: Place,
  containers: Containers,
  request: StartRequest,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const { directory, pid } = containers.paths(request.uid);
  const log = request.spec.log;
  await startMonitor(place.host, { directory, log, cgroups: [], command, env, pidFile: pid }, signal);
  containers.client(request.uid);
}

/** Waits for the init's first word. A task that ended by then has started; where runc says why it could not, that is thrown. */
async function initTakesOver(
  place: Place,
  containers: Containers,
  uid: string,
  signal: AbortSignal,
): Promise<void> {
  const client = containers.client(uid);
  try {
    await client.init(signal);
  } catch (caught) {
    const reason = await lastRuncError(place.host, containers.paths(uid).log);
    if (reason === undefined || !client.isOver()) {
      if (signal.aborted) throw caught;
      return;
    }
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'runc could not start the container.', {
      required: 'a container that runc can set up',
      found: reason,
      remedy:
        'See the reason above; the rootfs, the volumes and what "portlayer doctor" says of the host decide it.',
      facts: { uid },
    });
  }
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

function machineRefused(): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', 'The executor container runs no machines.', {
    required: 'a loader without a kernel of its own',
    found: 'a launch plan for a machine',
    remedy: 'Use the loader init, or the executor qemu.',
    facts: { level: 'executor', name: 'container' },
  });
}
