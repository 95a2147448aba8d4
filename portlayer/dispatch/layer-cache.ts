import { PortLayerError } from '../errors/port-layer-error.js';
import { CHECKPOINT_STATES, type CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { LayerPacking } from '../plugin/executor.js';
import type { LayerToStore } from '../store/commit-image.js';
import { type Core, executorOf } from './core.js';

/** Held by whoever removes a layer that images hold, and by whoever brings one back. */
const LAYER_CACHE = 'layer cache';

/** How layers of such a container become parts of images. Absent: its executor, or its environment, cannot. */
function packingOf(core: Core, spec: ContainerSpec): LayerPacking | undefined {
  // Packed files are on the machine of the service.
  if (core.registry.environment(spec.environment).kind !== 'local') return undefined;
  return executorOf(core, spec).disk.packing;
}

/** The layers that an image is to hold. */
export function layersToStore(core: Core, record: CheckpointRecord): readonly LayerToStore[] {
  const packing = packingOf(core, record.spec);
  if (!packing) return [];
  return (record.image?.layers ?? []).map(id => ({
    id,
    pack: file => core.locks.run(LAYER_CACHE, 'pack', () => packing.pack(id, file, core.closing), Infinity),
  }));
}

/**
 * Brings back those layers of a checkpoint that were removed from its executor. Cheap where all are there. The container
 * that will stack them is recorded already, so that they stay. Throws CHECKPOINT_CORRUPT, STORE_FULL.
 */
export async function bringLayersBack(core: Core, record: CheckpointRecord): Promise<void> {
  const packing = packingOf(core, record.spec);
  if (!packing || record.state !== 'committed') return;
  const layers = record.image?.layers ?? [];
  const { disk } = executorOf(core, record.spec);
  await core.locks.run(
    LAYER_CACHE,
    'bring back',
    async () => {
      for (const layer of layers) {
        if (await packing.isThere(layer)) continue;
        await core.store.withLayer(record.crid, layer, (file, kind) =>
          packing.unpack(layer, file, kind, core.closing),
        );
        await requireDigest(core, record, layer);
        await disk.sync(layer, core.closing);
      }
    },
    Infinity,
  );
}

/** A checkpoint's own layer has the digest that it was captured with. */
async function requireDigest(core: Core, record: CheckpointRecord, layer: string): Promise<void> {
  const wanted = record.image?.digest;
  if (layer !== record.image?.layers.at(-1) || !wanted) return;
  const { disk } = executorOf(core, record.spec);
  const { digest } = await disk.describe(layer, core.closing);
  if (digest === wanted) return;
  await disk.remove(layer);
  throw new PortLayerError('CHECKPOINT_CORRUPT', `The layer of checkpoint ${record.crid} is not as it was.`, {
    required: wanted,
    found: digest,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
    facts: { crid: record.crid, layer },
  });
}

/** Removes a layer from its executor where only images stack it that hold it themselves. */
export function evictLayer(core: Core, spec: ContainerSpec, layer: string): Promise<void> {
  return core.locks.run(
    LAYER_CACHE,
    'evict',
    async () => {
      if (await isEvictable(core, spec, layer)) await executorOf(core, spec).disk.remove(layer);
    },
    Infinity,
  );
}

/** Whether a layer is there and nothing needs it to be: no container stacks it, and every checkpoint's image holds it. */
export async function isEvictable(core: Core, spec: ContainerSpec, layer: string): Promise<boolean> {
  const packing = packingOf(core, spec);
  if (!packing) return false;
  for (const owner of core.catalog.layerOwners(layer)) {
    const record = core.catalog.checkpoint(owner);
    if (record?.state !== 'committed' || record.image?.holdsLayers !== true) return false;
  }
  return packing.isThere(layer);
}

/** Committed checkpoints, newest first: whose layers and dumps on disk are copies of what their images hold. */
export function* committedRecords(core: Core): Iterable<CheckpointRecord> {
  for (let after: string | undefined; ; ) {
    const page = core.catalog.checkpoints({
      states: CHECKPOINT_STATES.filter(state => state === 'committed'),
      limit: 500,
      ...(after === undefined ? {} : { after }),
    });
    yield* page.items;
    if (page.next === undefined) return;
    after = page.next;
  }
}
