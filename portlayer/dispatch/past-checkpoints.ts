import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { type Estimate, estimateFrom, type Sample } from '../planner/estimate.js';
import type { Core } from './core.js';

/** So many of the newest are learnt from: a container changes its size over its life. */
const OF_CONTAINER = 20;
/** So many of the host's newest by the same mechanism are looked at, for a container that has none yet. */
const OF_HOST = 50;

const TAKEN = ['captured', 'committing', 'committed'] as const;

/** What a checkpoint by a mechanism is expected to cost, from this container's past ones, else from those of others of its kind on this host. */
export function estimateOf(
  core: Pick<Core, 'catalog'>,
  spec: ContainerSpec,
  uid: string | undefined,
  mechanism: string,
): Estimate | undefined {
  const query = { states: TAKEN, mechanism };
  const own =
    uid === undefined
      ? []
      : core.catalog.checkpoints({ ...query, containerUid: uid, limit: OF_CONTAINER }).items;
  const found = estimateFrom(own.flatMap(sampleOf), 'container');
  if (found) return found;
  const alike = core.catalog
    .checkpoints({ ...query, limit: OF_HOST })
    .items.filter(
      ({ spec: other }) => other.environment === spec.environment && other.executor === spec.executor,
    );
  return estimateFrom(alike.flatMap(sampleOf), 'host');
}

/** The task stands still while it is frozen; where a mechanism has no such phase (it has ended), while it is dumped. */
function sampleOf({ phases, image }: CheckpointRecord): readonly Sample[] {
  if (!image) return [];
  const { quiesceMs = 0, precopyMs = 0, frozenMs = 0, dumpMs = 0 } = phases;
  const pauseMs = phases.frozenMs ?? dumpMs;
  return [{ pauseMs, totalMs: quiesceMs + precopyMs + frozenMs + dumpMs, bytes: image.bytes }];
}
