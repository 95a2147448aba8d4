import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { Place } from './place.js';

/** Without root all is done in a user namespace, as its root, which is the service's user outside. */
const asRoot = ['unshare', '--user', '--map-root-user'] as const;

/** Why no user namespace with mounts and a network of its own can be had, or undefined. */
export async function whyNotRootless(host: Host): Promise<string | undefined> {
  const done = await host.run([...asRoot, '--mount', '--net', 'true']);
  return done.code === 0
    ? undefined
    : `the service runs as user ${host.uid}, without user namespaces: ${done.stderr.trim().slice(0, 200)}`;
}

/** The head of a command line that mounts: nothing for root, else a user namespace, and with `net` a network too. Pure. */
export function inUserNamespace(place: Place, net = false): readonly string[] {
  return place.rootless ? [...asRoot, ...(net ? ['--net'] : [])] : [];
}

/** The head of a command line that acts on a running container: its user namespace, and the network that came with it. Pure. */
export function enterUserNamespace(place: Place, init: number): readonly string[] {
  if (!place.rootless) return [];
  return [
    place.nsenter ?? 'nsenter',
    ...['--target', String(init), '--user', '--net', '--preserve-credentials', '--'],
  ];
}

/** Throws CAPABILITY_MISSING for what only root can give. */
export function checkRootless(place: Place, spec: ContainerSpec, veth: boolean): void {
  if (!place.rootless) return;
  const { user } = spec.task;
  if (user && (user.uid !== 0 || user.gid !== 0))
    throw needsRoot(
      'task.user',
      "0 and 0, which is the service's user outside: no other is mapped",
      `${user.uid} and ${user.gid}`,
    );
  if (veth)
    throw needsRoot('executorOptions.veth', 'root, for a link to the host', 'a user without that right');
}

function needsRoot(field: string, required: string, found: string): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', `Without root ${field} cannot be had.`, {
    required,
    found,
    remedy: `Leave ${field} out, or run the service as root.`,
    facts: { field, level: 'executor', name: 'container' },
  });
}
