import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec, ResourceSpec } from '../../portlayer/model/container-spec.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { Place } from './place.js';

const optionsSchema = { type: 'object', additionalProperties: false, properties: {} } as const;

/** Directories that are the container's own wherever its root comes from. */
const ownTops = new Set(['proc', 'dev', 'run', 'tmp', 'state']);

/** Throws INVALID_SPEC or CAPABILITY_MISSING for the first thing that this host cannot give. No effect. */
export async function checkSpec(place: Place, spec: ContainerSpec): Promise<void> {
  checkAgainst('executorOptions of the executor process', optionsSchema, spec.executorOptions);
  checkUser(place, spec);
  checkIsolation(place, spec);
  checkLimits(place, spec.resources);
  checkProgram(place, spec);
  if (spec.rootfs !== undefined) await checkRootfs(place.host, spec.rootfs);
  for (const [i, volume] of spec.volumes.entries()) {
    checkPath(`volumes.${i}.target`, volume.target);
    if (!(await place.host.files.exists(volume.source))) {
      throw invalid(
        `volumes.${i}.source`,
        'a file or directory that exists',
        `nothing at ${volume.source}`,
        'Create it, or correct the path.',
      );
    }
    if (spec.rootfs === undefined) await checkMountPoint(place.host, `volumes.${i}.target`, volume.target);
  }
}

/** A program below one of the host's directories that a container has its own of cannot be found inside. */
function checkProgram(place: Place, spec: ContainerSpec): void {
  const program = spec.task.argv[0] ?? '';
  const top = program.split('/')[1] ?? '';
  if (spec.rootfs !== undefined || !place.namespaces.kinds.has('mount') || !program.startsWith('/')) return;
  if (!['tmp', 'run'].includes(top)) return;
  const isBrought = spec.volumes.some(({ target }) => `${program}/`.startsWith(`${target}/`));
  if (isBrought || program.startsWith('/run/portlayer/')) return;
  const directory = program.slice(0, program.lastIndexOf('/'));
  throw invalid(
    'task.argv.0',
    `a program that the container sees; it has a /${top} of its own`,
    program,
    `Bring its directory in (portlayer run --volume ${directory}:${directory}:ro), or put it elsewhere.`,
  );
}

/** Throws CAPABILITY_MISSING for a limit that no writable cgroup controller can keep. */
export function checkLimits(place: Place, resources: ResourceSpec): void {
  const limits = [
    ['cpus', 'cpu'],
    ['memoryBytes', 'memory'],
    ['pids', 'pids'],
  ] as const;
  for (const [field, controller] of limits) {
    const value = resources[field];
    if (value === undefined || value === 0 || place.cgroups.places.has(controller)) continue;
    const why = `cgroups: ${place.cgroups.kind}, writable: ${place.cgroups.writable.join(', ') || 'none'}`;
    throw missing(
      `resources.${field}`,
      `a writable cgroup controller ${controller}`,
      why,
      place.cgroups.remedy ?? 'Run the service as root.',
    );
  }
}

function checkUser(place: Place, spec: ContainerSpec): void {
  const user = spec.task.user;
  if (!user) return;
  const { host, namespaces } = place;
  const own = user.uid === host.uid && user.gid === host.gid;
  if (namespaces.kinds.has('user')) {
    if (user.uid === 0 && user.gid === 0) return;
    throw missing(
      'task.user',
      '0 and 0: the only user mapped without root',
      `${user.uid} and ${user.gid}`,
      'Leave task.user out, or run the service as root.',
    );
  }
  if (own || (host.uid === 0 && place.ownRoot)) return;
  throw missing(
    'task.user',
    'a mount namespace, and root, to run as another user',
    `the service runs as ${host.uid}`,
    'Leave task.user out, or run the service as root.',
  );
}

function checkIsolation(place: Place, spec: ContainerSpec): void {
  const { kinds, findings } = place.namespaces;
  const why = (key: string) =>
    findings.find(f => f.key === key || f.key === 'namespaces')?.reason ?? 'it is not to be had';
  if (!place.ownRoot && (spec.rootfs !== undefined || spec.volumes.length > 0)) {
    const field = spec.rootfs !== undefined ? 'rootfs' : 'volumes';
    throw missing(
      field,
      'a mount namespace',
      `none: ${why('mount-namespace')}`,
      'Use a host with user namespaces, run the service as root, or choose another executor.',
    );
  }
  if (spec.network === 'none' && !kinds.has('net')) {
    throw missing(
      'network',
      'a network namespace',
      `none: ${why('net-namespace')}`,
      'Use network: host, or run the service as root.',
    );
  }
  if (spec.hostname !== undefined && !kinds.has('uts')) {
    throw missing(
      'hostname',
      'a UTS namespace',
      `none: ${why('uts-namespace')}`,
      'Leave hostname out, or run the service as root.',
    );
  }
}

async function checkRootfs(host: Host, rootfs: string): Promise<void> {
  checkPath('rootfs', rootfs);
  const remedy = "Unpack a root file system there, or leave rootfs out to use the host's own.";
  const entries = await host.files.list(rootfs).catch(() => undefined);
  if (!entries) throw invalid('rootfs', 'a directory that can be read', `none at ${rootfs}`, remedy);
  // These are mounted on: behind a link they would hide something else of the root.
  const link = entries.find(entry => entry.kind !== 'directory' && [...ownTops, 'sys'].includes(entry.name));
  if (link)
    throw invalid(
      'rootfs',
      `${link.name} as a directory, or none`,
      `a ${link.kind}`,
      `Make ${rootfs}/${link.name} a directory.`,
    );
}

/** In the host's own root, which is read-only, a mount point must be there already or be the container's own to make. */
async function checkMountPoint(host: Host, field: string, target: string): Promise<void> {
  const [top = ''] = target.split('/').filter(Boolean);
  if (ownTops.has(top)) return;
  const single = target.split('/').filter(Boolean).length === 1;
  if (single || !(await host.files.exists(`/${top}`)) || (await host.files.exists(target))) return;
  throw missing(
    field,
    'a path that exists on the host, or one below /state, /tmp or /run',
    target,
    'Choose such a target, or give a rootfs.',
  );
}

/** What may stand in a command line of mount options: no colon (it separates layers), no way up. */
function checkPath(field: string, path: string): void {
  const bad =
    path.split('/').some(part => part === '..' || part === '.') ||
    path === '/' ||
    Buffer.byteLength(path) > 2048;
  if (bad || /[:,\\\n]/.test(path)) {
    throw invalid(
      field,
      'an absolute path of at most 2,048 bytes without .., colons, commas, backslashes',
      JSON.stringify(path.slice(0, 120)),
      'Choose another path.',
    );
  }
}

function invalid(field: string, required: string, found: string, remedy: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The executor process cannot use ${field}.`, {
    required,
    found,
    remedy,
    facts: { field },
  });
}

function missing(field: string, required: string, found: string, remedy: string): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', `This host cannot give what ${field} asks for.`, {
    required,
    found,
    remedy,
    facts: { field, level: 'executor', name: 'process' },
  });
}
