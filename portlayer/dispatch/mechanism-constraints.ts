import type { LevelOffer } from '../model/capability.js';
import type { Constraint } from '../model/constraint.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { PATH_KEY, ROOTFS_DIGEST_KEY, specConstraints } from '../model/spec-constraints.js';
import type { Mechanism } from '../plugin/mechanism.js';
import type { Core } from './core.js';

/** What a restore of a checkpoint by a plugin's mechanism needs: what every restore does, then what the mechanism names itself. */
export function constraintsOf(
  core: Core,
  spec: ContainerSpec,
  mechanism: Mechanism,
  offers: readonly LevelOffer[],
): readonly Constraint[] {
  const { name, level } = mechanism;
  const common = specConstraints(spec, { [level]: [`checkpoint:${name}`] });
  const prints = offers.flatMap(offer => (offer.fingerprint ? [offer.fingerprint] : []));
  const own = mechanism.constraints(spec, prints);
  const named = new Set(own.map(({ level, key }) => `${level}.${key}`));
  const all = [...common.filter(({ level, key }) => !named.has(`${level}.${key}`)), ...own];
  // Paths of a place that is no Linux host mean something to its executor alone.
  return core.registry.environment(spec.environment).host === undefined
    ? all.filter(({ key }) => !key.startsWith(PATH_KEY))
    : all;
}

/** How long a checkpoint waits for what is in its root file system, in milliseconds: one that was read before takes a few. */
const ROOTFS_MS = 1000;

/** What a mechanism that maps files of its root file system needs of it: that they are as they were. Nothing where that cannot be told in time. */
export async function rootfsConstraint(
  core: Core,
  spec: ContainerSpec,
  { card }: Mechanism,
): Promise<readonly Constraint[]> {
  const { files } = core.registry.environment(spec.environment).host ?? {};
  // A machine has its own copy; a disk alone is read anew by a task that starts again.
  if (card.preserves !== 'process' || spec.rootfs === undefined || !files?.contentDigest) return [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ROOTFS_MS);
  });
  // It goes on in the background: the next checkpoint finds it known.
  const digest = files.contentDigest(spec.rootfs).catch(() => undefined);
  const required = await Promise.race([digest, late]);
  clearTimeout(timer);
  if (required === undefined) return [];
  return [{ level: 'environment', key: ROOTFS_DIGEST_KEY, relation: 'equal', required }];
}
