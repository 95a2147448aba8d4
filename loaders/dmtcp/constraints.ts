import type { Fingerprint } from '../../portlayer/model/capability.js';
import type { Constraint, Relation } from '../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Level } from '../../portlayer/model/level.js';

const taken: readonly (readonly [Level, string, Relation])[] = [
  ['environment', 'architecture', 'equal'],
  ['environment', 'cpu-features', 'superset'],
  ['loader', 'dmtcp', 'equal'],
  ['loader', 'dmtcp-build', 'equal'],
];

/** What a restore needs of its target, from what the host of the dump offers. Pure. */
export function dmtcpConstraints(of: ContainerSpec, on: readonly Fingerprint[]): readonly Constraint[] {
  const found = (level: Level, key: string) =>
    on.find(f => f.level === level)?.findings.find(finding => finding.key === key)?.value ?? '';
  return [
    { level: 'loader', key: 'name', relation: 'equal', required: of.loader },
    ...(of.rootfs === undefined
      ? []
      : [{ level: 'task', key: 'rootfs', relation: 'equal', required: of.rootfs } as const]),
    ...taken
      .map(([level, key, relation]) => ({ level, key, relation, required: found(level, key) }))
      .filter(constraint => constraint.required !== ''),
  ];
}
