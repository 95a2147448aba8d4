import type { Fingerprint } from '../../../portlayer/model/capability.js';
import type { Constraint } from '../../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import { machineVersion } from '../machine-version.js';
import { optionsOf } from '../options.js';

/** What a restore needs of its target, from what the host of the dump offers. Pure. */
export function vmforkConstraints(of: ContainerSpec, on: readonly Fingerprint[]): readonly Constraint[] {
  const found = (key: string) =>
    on.find(print => print.level === 'executor')?.findings.find(finding => finding.key === key)?.value ?? '';
  const version = found('qemu');
  const executor = (key: string, relation: Constraint['relation'], required: string): Constraint => ({
    level: 'executor',
    key,
    relation,
    required,
  });
  return [
    executor('name', 'equal', of.executor),
    executor('qemu', 'equal', version),
    executor('accelerator', 'equal', found('accelerator')),
    executor('machines', 'superset', version === '' ? '' : machineVersion(optionsOf(of).machine, version)),
  ].filter(constraint => constraint.required !== '');
}
