import type { ContainerSpec } from '../model/container-spec.js';
import type { Core } from './core.js';

/** What a target offers, keyed `level.key` as constraints name it: names, the spec's own facts, and every finding of the fingerprints. */
export async function targetFacts(
  core: Core,
  spec: ContainerSpec,
): Promise<Readonly<Record<string, string>>> {
  const facts: Record<string, string> = {
    'environment.name': spec.environment,
    'executor.name': spec.executor,
    'loader.name': spec.loader,
    'task.rootfs': spec.rootfs ?? '',
  };
  for (const offer of await core.registry.offers(spec.environment, spec.executor, spec.loader)) {
    for (const finding of offer.fingerprint?.findings ?? [])
      facts[`${offer.level}.${finding.key}`] = finding.value;
  }
  return facts;
}
