import { PortLayerError } from '../../errors/port-layer-error.js';
import { FRAME_PAGES, HASH_BYTES } from '../format/page.js';
import { type Engine, PRIORITY, type SliceOptions, WORKERS } from './engine.js';
import type { Pace } from './pace.js';
import type { PageIndex } from './page-index.js';
import { createPageTable, type PageTable } from './page-table.js';
import { sharedFrames } from './shared-frames.js';
import { EXTENT_PAGES, SEGMENT_PAGES, type SourceFile, type WriteSpec, type Written } from './write-work.js';

/** Small images are written before large ones: a loop waits for its last commit. */
const SMALL_PAGES = SEGMENT_PAGES * 4;

/** An image to be written. */
export interface ImageToWrite {
  readonly crid: string;
  /** The data file; what a killed writer left there is taken up. */
  readonly out: string;
  /** Positions that may be in the data file already. */
  readonly kept: number;
  /** Where what is kept must end: others point into it. */
  readonly keptBytes?: number;
  readonly files: readonly SourceFile[];
  readonly pages: number;
  /** `store`: point into whatever the store has. `alone`: into its own data only. */
  readonly against: 'store' | 'alone';
  /** One worker writes one page after the other, so that the same pages make the same bytes. */
  readonly inOrder?: boolean;
  readonly pace?: Pace;
  readonly progress?: (pages: number) => void;
  readonly signal?: AbortSignal;
}

/** A written data file, and the CRIDs that its map points to. The caller ends it, once it is known whether it counts. */
export interface WrittenImage extends Omit<Written, 'owners'> {
  readonly sources: readonly string[];
  end(committed: boolean): void;
}

/** Writes an image's data file, by slices that both workers take. */
export async function writeImage(
  engine: Engine,
  index: PageIndex,
  image: ImageToWrite,
): Promise<WrittenImage> {
  const most = image.pages + image.kept;
  const shared = image.against === 'store' ? await index.enter(most) : undefined;
  const table = shared?.table ?? privateTable(most);
  const owner = shared ? index.begin(image.crid) : 0;
  const end = (committed: boolean): void => {
    if (shared) index.end(owner, committed);
    shared?.done();
  };
  const spec = specOf(image, table, owner);
  const job = ++jobs;
  const priority = image.pages <= SMALL_PAGES ? PRIORITY.commit : PRIORITY.background;
  const workers = new Set<number>();
  const release = engine.keepWorkers();
  try {
    const { value: keptTo } = await engine.ask('takeUp', [spec], { priority });
    if (image.keptBytes !== undefined && keptTo !== image.keptBytes) throw damagedAt(image.crid, keptTo);
    await writeSegments(engine, image, spec, { priority, job, workers });
    for (const worker of workers) await engine.ask('close', [job, true], { priority, worker });
    workers.clear();
    const { value: written } = await engine.ask('finish', [spec], { priority });
    image.signal?.throwIfAborted();
    return { ...written, sources: written.owners.map(index.nameOf), end };
  } catch (caught) {
    for (const worker of workers)
      await engine.ask('close', [job, false], { priority, worker }).catch(() => {});
    end(false);
    throw caught;
  } finally {
    release();
  }
}

function damagedAt(crid: string, at: number): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', `The data of checkpoint ${crid} is damaged.`, {
    required: 'every frame as it was written',
    found: `another frame at byte ${at}`,
    remedy: 'Restore from another checkpoint: portlayer checkpoint ls',
    facts: { crid },
  });
}

let jobs = 0;

function privateTable(pages: number): PageTable {
  let capacity = 1 << 8;
  while (capacity < 2 * pages) capacity *= 2;
  const table = createPageTable(capacity);
  return table;
}

function specOf(image: ImageToWrite, table: PageTable, owner: number): WriteSpec {
  const { pages } = image;
  // A worker leaves at most one extent half full.
  const positions = image.kept + pages + (WORKERS + 1) * EXTENT_PAGES + FRAME_PAGES;
  return {
    crid: image.crid,
    out: image.out,
    files: image.files,
    pages,
    table,
    owner,
    map: new Int32Array(new SharedArrayBuffer(pages * 8)),
    hashes: new Uint8Array(new SharedArrayBuffer(pages * HASH_BYTES)),
    kept: new Uint8Array(new SharedArrayBuffer(image.kept * HASH_BYTES)),
    frames: sharedFrames(positions),
    counters: new Int32Array(new SharedArrayBuffer(12)),
    end: new BigInt64Array(new SharedArrayBuffer(8)),
  };
}

interface Slicing {
  readonly priority: number;
  readonly job: number;
  /** Filled with those that hold something back. */
  readonly workers: Set<number>;
}

/** As many segments are under way as there are workers: none waits in memory. */
async function writeSegments(
  engine: Engine,
  image: ImageToWrite,
  spec: WriteSpec,
  on: Slicing,
): Promise<void> {
  const segments = Math.ceil(image.pages / SEGMENT_PAGES);
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    while (next < segments) {
      const segment = next++;
      image.signal?.throwIfAborted();
      await image.pace?.wait(Math.min(SEGMENT_PAGES, image.pages) * 4096, image.signal);
      const first = image.inOrder ? { worker: 0 } : {};
      const options: SliceOptions = { priority: on.priority, ...first };
      const { worker } = await engine.ask('segment', [on.job, spec, segment], options);
      on.workers.add(worker);
      done = Math.min(done + SEGMENT_PAGES, image.pages);
      image.progress?.(done);
    }
  };
  const lanes = image.inOrder ? 1 : Math.min(WORKERS, segments);
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}
