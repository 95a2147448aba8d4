import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import { needQemu } from './need-qemu.js';
import { optionsOf } from './options.js';
import type { Place } from './place.js';

const LEAST_MEMORY = 96 * 2 ** 20;

/** Throws INVALID_SPEC, CAPABILITY_MISSING or EXECUTOR_UNAVAILABLE for the first thing that cannot be given. No effect. */
export async function checkSpec(place: Place, spec: ContainerSpec): Promise<void> {
  const { forward } = optionsOf(spec);
  needQemu(place);
  if (forward.length > 0 && spec.network === 'none') {
    throw invalid(
      'executorOptions.forward',
      'a network',
      'network: none',
      'Leave network out, or the forwards.',
    );
  }
  if (spec.volumes.length > 0) {
    throw missing(
      'volumes',
      'no volumes: a machine has a disk of its own',
      `${spec.volumes.length}`,
      'Put what it needs into the rootfs.',
    );
  }
  const { memoryBytes, pids } = spec.resources;
  if (memoryBytes !== undefined && memoryBytes < LEAST_MEMORY) {
    throw invalid(
      'resources.memoryBytes',
      `${LEAST_MEMORY} or more, for a kernel`,
      String(memoryBytes),
      'Ask for more memory.',
    );
  }
  if (pids !== undefined) {
    throw missing(
      'resources.pids',
      'no limit: a machine has pids of its own',
      String(pids),
      'Leave the limit out.',
    );
  }
  const { rootfs } = spec;
  if (rootfs !== undefined && (await place.host.files.list(rootfs).catch(() => undefined)) === undefined) {
    throw invalid(
      'rootfs',
      'a directory that can be read',
      `none at ${rootfs}`,
      'Unpack a root file system there, or leave it out for one of busybox.',
    );
  }
}

function invalid(field: string, required: string, found: string, remedy: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The executor qemu cannot use ${field}.`, {
    required,
    found,
    remedy,
    facts: { field },
  });
}

function missing(field: string, required: string, found: string, remedy: string): PortLayerError {
  const facts = { field, level: 'executor', name: 'qemu' };
  return new PortLayerError('CAPABILITY_MISSING', `A machine cannot give what ${field} asks for.`, {
    required,
    found,
    remedy,
    facts,
  });
}
