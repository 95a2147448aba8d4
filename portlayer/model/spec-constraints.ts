import type { Constraint } from './constraint.js';
import type { ContainerSpec } from './container-spec.js';
import type { Level } from './level.js';

/** Directories of a container's own, wherever its root comes from: what lies there is in its layers or made anew. */
const OWN = ['/state', '/tmp', '/run', '/proc', '/dev'];

/** Constraints on paths of the environment's host have keys that begin so. */
export const PATH_KEY = 'path:';
/** The key of the constraint on what is in the root file system. */
export const ROOTFS_DIGEST_KEY = 'rootfs-digest';

/** A path of the environment's host that must be there. */
function path(required: string): Constraint {
  return { level: 'environment', key: `${PATH_KEY}${required}`, relation: 'exists', required };
}

/**
 * What every restore of such a container needs, whatever its mechanism: its layers, levels of the same names that can
 * do what the mechanism asks of them, and the root file system, the volumes and the program where they were. Pure.
 *
 * @param capabilities what the mechanism needs at which level: `checkpoint:criu` at the executor
 */
export function specConstraints(
  spec: ContainerSpec,
  capabilities: Readonly<Partial<Record<Level, readonly string[]>>>,
): readonly Constraint[] {
  const [program = ''] = spec.task.argv;
  const inside = [...OWN, ...spec.volumes.map(volume => volume.target)];
  const ofHost =
    spec.rootfs === undefined &&
    spec.executor === 'process' &&
    program.startsWith('/') &&
    !inside.some(directory => program === directory || program.startsWith(`${directory}/`));
  return [
    { level: 'environment', key: 'layers', relation: 'equal', required: spec.environment },
    { level: 'executor', key: 'name', relation: 'equal', required: spec.executor },
    { level: 'loader', key: 'name', relation: 'equal', required: spec.loader },
    ...Object.entries(capabilities).map(
      ([level, tags]): Constraint => ({
        level: level as Level,
        key: 'capabilities',
        relation: 'superset',
        required: tags.join(','),
      }),
    ),
    ...(spec.rootfs === undefined ? [] : [path(spec.rootfs)]),
    ...spec.volumes.map(volume => path(volume.source)),
    ...(ofHost ? [path(program)] : []),
  ];
}
