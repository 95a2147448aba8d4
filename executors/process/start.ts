import { findMonitor } from '../../portlayer/environments/monitor/monitor-process.js';
import { startMonitor } from '../../portlayer/environments/monitor/start-monitor.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../portlayer/plugin/executor.js';
import { buildCommand } from './command.js';
import type { Containers } from './containers.js';
import { killContainer, killLeftovers, SETTLED_EXIT } from './ending.js';
import type { Place } from './place.js';
import { prepareWritableLayer } from './writable-layer.js';

/** `sun_path` holds so many bytes before its end. Source: unix(7). */
const maxSocketPathBytes = 107;

/**
 * Starts one container: directories, writable layer, cgroups, then one command that leaves the monitor behind.
 * What an earlier start of it left half done is ended and removed first.
 */
export async function startContainer(
  place: Place,
  containers: Containers,
  request: StartRequest,
  signal: AbortSignal,
): Promise<void> {
  const { host } = place;
  const { uid, spec } = request;
  const paths = containers.paths(uid);
  checkSocketPath(`${paths.relay}/checkpoint.sock`);
  if (request.launch.machine) throw machineRefused();
  if (await containers.exists(uid)) {
    if ((await findMonitor(host, paths.directory)) !== undefined) await killContainer(place, containers, uid);
    else await killLeftovers(place, containers, uid);
    for (const name of ['exit', SETTLED_EXIT]) await host.files.remove(`${paths.directory}/${name}`);
    await host.files.remove(paths.relay);
  }
  containers.forget(uid);
  await host.files.makeDirectory(paths.directory, 0o700);
  const [layer, cgroups] = await Promise.all([
    prepareWritableLayer(place, paths, spec.rootfs, request.layers, signal),
    containers.group(uid).prepare(spec.resources),
    host.files.makeDirectory(paths.merged, 0o755),
    host.files.makeDirectory(`${paths.relay}/bin`, 0o755),
  ]);
  const memory = place.cgroups.places.get('memory');
  const command = buildCommand(place, paths, request, layer);
  await startMonitor(
    host,
    {
      directory: paths.directory,
      log: spec.log,
      cgroups,
      ...(memory ? { memoryGroup: `${memory.base}/${uid}` } : {}),
      command: command.argv,
      env: command.env,
    },
    signal,
  );
  // Whoever asked for the container meanwhile got a client of the run before.
  containers.forget(uid);
  containers.client(uid);
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
  return new PortLayerError('CAPABILITY_MISSING', 'The executor process runs no machines.', {
    required: 'a loader without a kernel of its own',
    found: 'a launch plan for a machine',
    remedy: 'Use the loader init, or the executor qemu.',
    facts: { level: 'executor', name: 'process' },
  });
}
