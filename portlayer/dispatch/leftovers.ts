import { PortLayerError } from '../errors/port-layer-error.js';
import { isUnreachable } from '../plugin/host.js';
import type { Leftover } from '../plugin/leftovers.js';
import type { Registry } from '../plugin/registry.js';

/** Does `sweep` while no operation on the container is under way. */
type Alone = (uid: string, sweep: () => Promise<void>) => Promise<void>;

/**
 * What killed runs have left on every host that can be reached. With `alone` it is removed, each container's before the
 * first thing of it is told; without, nothing is touched.
 */
export async function* leftovers(
  { registry, log }: { readonly registry: Registry; readonly log: (message: string) => void },
  alone?: Alone,
): AsyncIterable<Leftover> {
  for (const { environment, executor } of registry.executors()) {
    const facet = executor.leftovers;
    if (!facet) continue;
    try {
      const found = await facet.list();
      const swept = new Set<string>();
      for (const leftover of found) {
        const { uid } = leftover;
        if (alone && !swept.has(uid)) await alone(uid, () => facet.sweep(uid));
        swept.add(uid);
        yield leftover;
      }
    } catch (caught) {
      if (!isUnreachable(caught)) throw caught;
      log(`what is left on ${environment}: ${PortLayerError.from(caught).message}`);
    }
  }
}
