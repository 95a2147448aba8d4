import type { ContainerSpec } from '../model/container-spec.js';
import { type Core, executorOf } from './core.js';

/** Removes those of `layers` that no container and no checkpoint stacks any more. Idempotent; what fails is swept at the next start. */
export async function dropUnusedLayers(
  core: Core,
  spec: ContainerSpec,
  layers: readonly string[],
): Promise<void> {
  const disk = executorOf(core, spec).disk;
  for (const layer of layers) {
    if (core.catalog.layerIsUsed(layer)) continue;
    await disk
      .remove(layer)
      .catch(caught => core.log(`layer ${layer} could not be removed: ${String(caught)}`));
  }
}
