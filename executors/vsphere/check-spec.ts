import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';

/** A virtual machine has its own of everything: there is nothing to set beside the spec. */
const optionsSchema = { type: 'object', additionalProperties: false, properties: {} } as const;

/** Throws INVALID_SPEC or CAPABILITY_MISSING for the first thing that a virtual machine cannot be given. No effect. */
export function checkSpec(spec: ContainerSpec): void {
  checkAgainst('executorOptions of the executor vsphere', optionsSchema, spec.executorOptions);
  const { cpus, pids } = spec.resources;
  const { secrets = [] } = spec;
  if (secrets.length > 0)
    throw missing(
      'secrets',
      'none: whoever may read the virtual machine in vCenter sees what its guest is told',
      String(secrets.length),
      'Let the task fetch them itself, or put them into the template.',
    );
  if (spec.rootfs !== undefined)
    throw missing(
      'rootfs',
      'none: the template is the root file system',
      spec.rootfs,
      'Prepare a template with it.',
    );
  if (spec.volumes.length > 0)
    throw missing(
      'volumes',
      'no volumes: a virtual machine has disks of its own',
      String(spec.volumes.length),
      'Put what it needs into the template.',
    );
  if (spec.network === 'none')
    throw missing(
      'network',
      'host: the network of the template',
      'none',
      'Prepare a template without a network card.',
    );
  if (cpus !== undefined) throw noLimit(cpus);
  if (pids !== undefined)
    throw missing(
      'resources.pids',
      'no limit: a virtual machine has pids of its own',
      String(pids),
      'Leave the limit out.',
    );
}

/** The error for a limit on CPUs. */
export function noLimit(cpus: number): PortLayerError {
  return missing(
    'resources.cpus',
    'no limit, or 0 to pause: a virtual machine has the CPUs of its template',
    String(cpus),
    'Leave the limit out, and set shares and limits in the resource pool.',
  );
}

function missing(field: string, required: string, found: string, remedy: string): PortLayerError {
  const facts = { field, level: 'executor', name: 'vsphere' };
  return new PortLayerError(
    'CAPABILITY_MISSING',
    `The executor vsphere cannot give what ${field} asks for.`,
    {
      required,
      found,
      remedy,
      facts,
    },
  );
}
