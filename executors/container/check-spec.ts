import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec, ResourceSpec } from '../../portlayer/model/container-spec.js';
import { optionsOf } from './options.js';
import type { Place } from './place.js';
import { resolveRootfs } from './rootfs/resolve-rootfs.js';
import { checkRootless } from './rootless.js';
import { runcPath } from './runc.js';

/** Throws INVALID_SPEC, CAPABILITY_MISSING or EXECUTOR_UNAVAILABLE for the first thing that this host cannot give. An archive is unpacked, once. */
export async function checkSpec(place: Place, spec: ContainerSpec): Promise<void> {
  const options = optionsOf(spec);
  runcPath(place.runc);
  checkRootless(place, spec, options.veth !== undefined);
  checkLimits(place, spec.resources);
  if (options.veth && spec.network !== 'none') {
    throw invalid(
      'executorOptions.veth',
      'a network of its own',
      `network: ${spec.network}`,
      'Set network to none, or leave veth out.',
    );
  }
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
  }
  if (spec.rootfs === undefined) {
    throw invalid(
      'rootfs',
      'a directory, a tar archive, or an OCI image layout',
      'none',
      'Name one with --rootfs, or use the executor process, which can do without.',
    );
  }
  checkPath('rootfs', spec.rootfs);
  await resolveRootfs(place, spec.rootfs);
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
    const remedy = place.cgroups.remedy ?? 'Run the service as root.';
    throw new PortLayerError(
      'CAPABILITY_MISSING',
      `This host cannot give what resources.${field} asks for.`,
      {
        required: `a writable cgroup controller ${controller}`,
        found: why,
        remedy,
        facts: { field: `resources.${field}`, level: 'executor', name: 'container' },
      },
    );
  }
}

/** What may stand in a list of overlay layers, and in a bundle: no colon, no way up. */
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
  return new PortLayerError('INVALID_SPEC', `The executor container cannot use ${field}.`, {
    required,
    found,
    remedy,
    facts: { field },
  });
}
