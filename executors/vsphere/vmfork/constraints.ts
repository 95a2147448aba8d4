import type { Constraint } from '../../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';

/** What a restore needs of its target: the vCenter that has the frozen machine. Pure. */
export function vmforkConstraints(of: ContainerSpec): readonly Constraint[] {
  return [
    { level: 'environment', key: 'name', relation: 'equal', required: of.environment },
    { level: 'executor', key: 'name', relation: 'equal', required: of.executor },
    { level: 'executor', key: 'instant-clone', relation: 'equal', required: 'yes' },
  ];
}
