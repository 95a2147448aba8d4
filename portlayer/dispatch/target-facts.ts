import { negotiate } from '../model/capability.js';
import type { Constraint } from '../model/constraint.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { PATH_KEY, ROOTFS_DIGEST_KEY } from '../model/spec-constraints.js';
import type { Host } from '../plugin/host.js';
import type { Core } from './core.js';
import { canTravel } from './layer-cache.js';

/** What a place offers to a container, as constraints ask for it. */
export interface Target {
  readonly environment: string;
  /** By `level.key`. */
  readonly facts: Readonly<Record<string, string>>;
  /** By `level.key`: the command that would add what is missing. */
  readonly remedies: Readonly<Record<string, string>>;
  /** Present where a level there cannot be used at all: why. */
  readonly unusable?: string;
}

/** What is asked of a place. */
export type Wanted = Pick<ContainerSpec, 'executor' | 'loader' | 'rootfs'>;

/**
 * Looks at one environment for what `constraints` name: its levels with every finding, and the paths that must be
 * there. Starts nothing. Throws INVALID_SPEC where there is no such environment.
 */
export async function targetFacts(
  core: Core,
  environment: string,
  wanted: Wanted,
  constraints: readonly Constraint[],
): Promise<Target> {
  const { host } = core.registry.environment(environment);
  const [offers, paths] = await Promise.all([
    core.registry.present(environment, wanted.executor, wanted.loader),
    host ? pathFacts(host, wanted, constraints) : {},
  ]);
  const facts: Record<string, string> = {
    'environment.layers': layersWithin(core, environment, wanted, constraints),
    // What checkpoints of before this version ask for.
    'task.rootfs': wanted.rootfs ?? '',
    ...paths,
  };
  const remedies: Record<string, string> = {};
  const { withheld } = negotiate(offers);
  for (const { level, name, capabilities, fingerprint } of offers) {
    facts[`${level}.name`] = name;
    // More than one level may offer the same tag: what counts is what this one can do.
    facts[`${level}.capabilities`] = capabilities
      .filter(tag => !withheld.some(each => each.level === level && each.tag === tag))
      .join(',');
    for (const { key, value, remedy } of fingerprint?.findings ?? []) {
      facts[`${level}.${key}`] = value;
      if (remedy !== undefined) remedies[`${level}.${key}`] = remedy;
    }
  }
  const broken = offers.find(offer => offer.fingerprint?.health === 'unusable');
  return {
    environment,
    facts,
    remedies,
    ...(broken && { unusable: `${broken.level} ${broken.name}: ${broken.fingerprint?.description}` }),
  };
}

/** The environment whose layers can be had in another: its own, or those that can be brought there. */
function layersWithin(
  core: Core,
  environment: string,
  { executor }: Wanted,
  constraints: readonly Constraint[],
): string {
  const from = constraints.find(({ key }) => key === 'layers')?.required;
  if (from === undefined || from === environment) return environment;
  try {
    return canTravel(core, { environment: from, executor }, { environment, executor }) ? from : environment;
  } catch {
    return environment; // One of them has no such executor, or is no more.
  }
}

async function pathFacts(
  host: Host,
  { rootfs }: Wanted,
  constraints: readonly Constraint[],
): Promise<Record<string, string>> {
  const facts: Record<string, string> = {};
  const looks = constraints.map(async ({ level, key, required }) => {
    if (key.startsWith(PATH_KEY)) {
      const there = await host.files.exists(required).catch(() => false);
      if (there) facts[`${level}.${key}`] = required;
    } else if (key === ROOTFS_DIGEST_KEY && rootfs !== undefined) {
      const digest = await host.files.contentDigest?.(rootfs).catch(() => undefined);
      if (digest !== undefined) facts[`${level}.${key}`] = digest;
    }
  });
  await Promise.all(looks);
  return facts;
}
