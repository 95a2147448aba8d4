import type { Fingerprint } from '../../../portlayer/model/capability.js';
import type { Constraint } from '../../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import { machineVersion } from '../machine-version.js';
import { devicesOf, optionsOf } from '../options.js';
import type { Qmp } from '../qmp/qmp-client.js';
import { featureNames } from './features.js';

/**
 * What a restore needs of its target, from what the host of the dump offers: the same QEMU and accelerator, and its
 * machine, CPU model, devices and form of disks. Pure.
 */
export function vmforkConstraints(of: ContainerSpec, on: readonly Fingerprint[]): readonly Constraint[] {
  const found = (key: string) =>
    on.find(print => print.level === 'executor')?.findings.find(finding => finding.key === key)?.value ?? '';
  const version = found('qemu');
  const { machine, cpu } = optionsOf(of);
  return [
    needed('name', 'equal', of.executor),
    needed('qemu', 'equal', version),
    needed('accelerator', 'equal', found('accelerator')),
    needed('machines', 'superset', version === '' ? '' : machineVersion(machine, version)),
    needed('cpu-models', 'superset', found('cpu-models') === '' ? '' : cpu),
    needed('devices', 'superset', found('devices') === '' ? '' : devicesOf(of).join(',')),
    needed('disks', 'superset', 'qcow2'),
  ].filter(constraint => constraint.required !== '');
}

/** The CPU features that the guest of a running QEMU was shown: those of its model that the accelerator can give. */
export async function featureConstraint(qmp: Qmp, name: string): Promise<Constraint> {
  const { model } = await qmp.execute('query-cpu-model-expansion', { type: 'full', model: { name } });
  return needed('cpu-features', 'superset', featureNames(model.props).join(','));
}

function needed(key: string, relation: Constraint['relation'], required: string): Constraint {
  return { level: 'executor', key, relation, required };
}
