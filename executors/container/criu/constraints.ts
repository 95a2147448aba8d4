import type { Fingerprint } from '../../../portlayer/model/capability.js';
import { type Constraint, majorMinor } from '../../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import { usedByPrograms } from '../../../portlayer/model/cpu-features.js';
import type { Level } from '../../../portlayer/model/level.js';
import { optionsOf } from '../options.js';

/** What a restore needs of its target beside its levels and paths, from what the host of the dump offers. Pure. */
export function criuConstraints(of: ContainerSpec, on: readonly Fingerprint[]): readonly Constraint[] {
  const found = (level: Level, key: string) =>
    on.find(f => f.level === level)?.findings.find(finding => finding.key === key)?.value ?? '';
  const { lazyRestore } = optionsOf(of);
  const needed: Constraint[] = [
    // A process knows the kernel by its interfaces: they change with the first two numbers.
    {
      level: 'environment',
      key: 'kernel',
      relation: 'at-least',
      required: majorMinor(found('environment', 'kernel')),
    },
    {
      level: 'environment',
      key: 'architecture',
      relation: 'equal',
      required: found('environment', 'architecture'),
    },
    {
      level: 'environment',
      key: 'cpu-features',
      relation: 'superset',
      required: usedByPrograms(found('environment', 'cpu-features')),
    },
    { level: 'executor', key: 'criu', relation: 'at-least', required: found('executor', 'criu') },
    { level: 'executor', key: 'runc', relation: 'at-least', required: majorMinor(found('executor', 'runc')) },
    // The image maps the init that it was taken with: that build must be there.
    {
      level: 'executor',
      key: 'init-builds',
      relation: 'superset',
      required: found('executor', 'init-build'),
    },
    {
      level: 'executor',
      key: 'criu-features',
      relation: 'superset',
      required: lazyRestore ? 'uffd-noncoop' : '',
    },
  ];
  return needed.filter(constraint => constraint.required !== '');
}
