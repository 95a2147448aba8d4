import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { LaunchPlan } from '../../portlayer/plugin/loader.js';

/** What the loader `kernel` adds to a launch plan. */
export interface MachinePlan {
  /** A kernel's path; absent: the one that is found. */
  readonly image?: string;
  readonly modulesDirectory?: string;
  /** Names of kernel modules. */
  readonly modules: readonly string[];
  /** The kernel's command line. */
  readonly append: string;
}

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['modules', 'append'],
  properties: {
    image: { type: 'string' },
    modulesDirectory: { type: 'string' },
    modules: { type: 'array', items: { type: 'string' } },
    append: { type: 'string' },
  },
} as const;

/** The plan's part for a machine. Throws CAPABILITY_MISSING for a plan of another loader. */
export function machinePlanOf(launch: LaunchPlan): MachinePlan {
  if (launch.machine) return checkAgainst<MachinePlan>('launch plan of a machine', schema, launch.machine);
  throw new PortLayerError('CAPABILITY_MISSING', 'The executor qemu runs machines only.', {
    required: 'a loader that brings a kernel',
    found: 'a launch plan without one',
    remedy: 'Use the loader kernel: --loader kernel',
    facts: { level: 'loader', name: 'kernel' },
  });
}
