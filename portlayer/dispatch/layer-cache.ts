import { randomUUID } from 'node:crypto';
import { PortLayerError } from '../errors/port-layer-error.js';
import { CHECKPOINT_STATES, type CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { LayerPacking } from '../plugin/executor.js';
import type { LayerToStore } from '../store/commit-image.js';
import { type Core, executorOf } from './core.js';
import { ownHost } from './image-travel.js';
import { packingFrom } from './packed-layers.js';

/** Held by whoever removes a layer that images hold, and by whoever brings one back. Of each environment: a slow link holds nobody else up. */
function layerCache(environment: string): string {
  return `layer cache of ${environment}`;
}

/** How layers of such a container become parts of images. Absent: its executor, or its environment, cannot. */
function packingOf(core: Core, spec: Placed): LayerPacking | undefined {
  const { packing } = executorOf(core, spec).disk;
  const { host } = core.registry.environment(spec.environment);
  // Packed files are on the machine of the service.
  if (!packing || !host) return undefined;
  return host.untilReachable ? packingFrom(host, ownHost(core), packing) : packing;
}

type Placed = Pick<ContainerSpec, 'environment' | 'executor'>;

/** Whether layers can go from one place to another as packed files. */
export function canTravel(core: Core, from: Placed, to: Placed): boolean {
  return packingOf(core, from) !== undefined && packingOf(core, to) !== undefined;
}

/** The layers that an image is to hold. */
export function layersToStore(core: Core, record: CheckpointRecord): readonly LayerToStore[] {
  const packing = packingOf(core, record.spec);
  if (!packing) return [];
  return (record.image?.layers ?? []).map(id => ({
    id,
    pack: file =>
      core.locks.run(
        layerCache(record.spec.environment),
        'pack',
        () => packing.pack(id, file, core.closing),
        Infinity,
      ),
  }));
}

/**
 * Brings those layers of a checkpoint to a place that are not there: they were removed from its executor, or it is
 * another host's. Cheap where all are there. The container
 * that will stack them is recorded already, so that they stay. Throws CHECKPOINT_CORRUPT, STORE_FULL.
 */
export async function bringLayersBack(
  core: Core,
  record: CheckpointRecord,
  to: Placed = record.spec,
): Promise<void> {
  const packing = packingOf(core, to);
  const elsewhere = to.environment !== record.spec.environment;
  if (!packing || (record.state !== 'committed' && !elsewhere)) return;
  const layers = record.image?.layers ?? [];
  const { disk } = executorOf(core, to);
  await core.locks.run(
    layerCache(to.environment),
    'bring back',
    async () => {
      for (const layer of layers) {
        if (await packing.isThere(layer)) continue;
        await withPacked(core, record, layer, (file, kind) =>
          packing.unpack(layer, file, kind, core.closing),
        );
        await requireDigest(core, record, layer, to);
        await disk.sync(layer, core.closing);
      }
    },
    Infinity,
  );
}

/** A layer as a packed file: from the image that holds it, or packed where it lies. */
async function withPacked(
  core: Core,
  record: CheckpointRecord,
  layer: string,
  use: (file: string, kind: string) => Promise<void>,
): Promise<void> {
  if (record.image?.holdsLayers) return core.store.withLayer(record.crid, layer, use);
  const packing = packingOf(core, record.spec);
  if (!packing) throw missing(record, layer);
  const { files, stateDirectory } = ownHost(core);
  await files.makeDirectory(`${stateDirectory}/travel`, 0o700);
  const file = `${stateDirectory}/travel/${layer}-${randomUUID()}`;
  try {
    await use(file, await packing.pack(layer, file, core.closing));
  } finally {
    await files.remove(file);
  }
}

function missing(record: CheckpointRecord, layer: string): PortLayerError {
  return new PortLayerError(
    'CONSTRAINT_UNMET',
    `A layer of checkpoint ${record.crid} cannot leave its place.`,
    {
      required: 'an executor that packs its layers',
      found: `${record.spec.environment}/${record.spec.executor}`,
      remedy: `Restore it in ${record.spec.environment}.`,
      facts: { crid: record.crid, layer },
    },
  );
}

/** A checkpoint's own layer has the digest that it was captured with. */
async function requireDigest(core: Core, record: CheckpointRecord, layer: string, at: Placed): Promise<void> {
  const wanted = record.image?.digest;
  if (layer !== record.image?.layers.at(-1) || !wanted) return;
  const { disk } = executorOf(core, at);
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
    layerCache(spec.environment),
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
