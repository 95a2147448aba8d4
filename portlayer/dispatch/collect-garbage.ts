import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Leftover } from '../plugin/leftovers.js';
import { PAGE_BYTES } from '../store/format/page.js';
import { dropUnusedData } from './checkpoints.js';
import type { Core } from './core.js';
import { committedRecords, evictLayer, isEvictable } from './layer-cache.js';
import { leftovers } from './leftovers.js';

/** One thing that a collection removes, or would. */
export interface Garbage {
  /**
   * `data`: of a removed checkpoint, and nobody points into it. `sparse-data`: those who do need less than half of it.
   * `dump`, `layer`: copies of what a committed image holds. The others: what a killed run left on its host.
   */
  readonly kind: 'data' | 'sparse-data' | 'dump' | 'layer' | Leftover['kind'];
  /** A CRID, a layer's name, or what a leftover is called. */
  readonly id: string;
  readonly bytes: number;
}

/** What to collect. */
export interface Collecting {
  /** Only tell. */
  readonly dryRun: boolean;
  /** Copies on disk may take so many bytes; the newest are kept. */
  readonly cacheBytes: number;
}

/** Below this share of pages that are still needed, what others need of a removed checkpoint's data is moved to them. */
const WORTH_KEEPING = 0.5;

/** Frees what no checkpoint needs. Yields each thing as it is found; it is gone when the next is asked for. */
export async function* collectGarbage(
  core: Core,
  { dryRun, cacheBytes }: Collecting,
): AsyncIterable<Garbage> {
  const alone = (uid: string, sweep: () => Promise<void>) => core.locks.run(uid, 'sweep', sweep);
  for await (const { kind, id } of leftovers(core, dryRun ? undefined : alone)) yield { kind, id, bytes: 0 };
  for (const { crid, bytes } of await core.store.retired()) {
    if (core.catalog.checkpoint(crid)) continue; // Its removal is under way.
    const users = core.catalog.dataUsers(crid);
    if (users.length === 0) {
      yield { kind: 'data', id: crid, bytes };
      if (!dryRun) await dropUnusedData(core, crid);
      continue;
    }
    const needed = await pagesNeeded(core, crid, users);
    if (needed === undefined || needed >= (await core.store.pagesOf(crid)) * WORTH_KEEPING) continue;
    yield { kind: 'sparse-data', id: crid, bytes: Math.max(bytes - needed * PAGE_BYTES, 0) };
    if (!dryRun) await moveAway(core, crid, users);
  }
  yield* trimCopies(core, { dryRun, cacheBytes });
}

/** At most: pages that two of them need are counted twice. Undefined where one of them cannot be read. */
async function pagesNeeded(core: Core, crid: string, users: readonly string[]): Promise<number | undefined> {
  let pages = 0;
  for (const user of users) {
    try {
      pages += await core.store.pagesIn(user, crid);
    } catch (caught) {
      core.log(`gc: ${user}: ${String(caught)}`);
      return undefined;
    }
  }
  return pages;
}

async function moveAway(core: Core, crid: string, users: readonly string[]): Promise<void> {
  for (const user of users) {
    await core.locks.run(
      user,
      'move data',
      async () => {
        if (core.catalog.checkpoint(user)?.state !== 'committed') return;
        const record = await core.store.rewriteData(user, {
          against: 'store',
          without: crid,
          signal: core.closing,
        });
        recordRewritten(core, record);
      },
      Infinity,
    );
  }
  await dropUnusedData(core, crid);
}

/** Writes down where an image's pages are now. */
export function recordRewritten(
  core: Core,
  { crid, image }: CheckpointRecord,
  type = 'data-moved',
): CheckpointRecord {
  const now = core.catalog.checkpoint(crid)!;
  const { sources, storedBytes } = image ?? {};
  const changed: CheckpointRecord = {
    ...now,
    ...(now.image
      ? {
          image: {
            ...now.image,
            ...(sources ? { sources } : {}),
            ...(storedBytes === undefined ? {} : { storedBytes }),
          },
        }
      : {}),
  };
  core.ledger.write({ checkpoint: changed, type });
  return changed;
}

/** Removes dumps and layers that committed images hold too, from the oldest on, until they take no more than allowed. */
export async function* trimCopies(core: Core, { dryRun, cacheBytes }: Collecting): AsyncIterable<Garbage> {
  const dumps = new Map((await core.store.cached()).map(({ crid, bytes }) => [crid, bytes]));
  let room = cacheBytes;
  for (const record of committedRecords(core)) {
    const dump = dumps.get(record.crid);
    room -= dump ?? 0;
    if (dump !== undefined && room < 0) {
      yield { kind: 'dump', id: record.crid, bytes: dump };
      if (!dryRun) await core.store.evict(record.crid);
    }
    const layer = record.image?.layers.at(-1);
    if (layer !== record.crid || !(await isEvictable(core, record.spec, layer))) continue;
    const bytes = layerBytes(record);
    room -= bytes;
    if (room >= 0) continue;
    yield { kind: 'layer', id: layer, bytes };
    if (!dryRun) await evictLayer(core, record.spec, layer);
  }
}

function layerBytes({ image }: CheckpointRecord): number {
  const dump = Object.values(image?.files ?? {}).reduce((sum, { bytes }) => sum + bytes, 0);
  return Math.max((image?.bytes ?? 0) - dump, 0);
}
