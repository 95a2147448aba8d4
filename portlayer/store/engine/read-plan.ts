import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { decodeRuns, FIRST_SOURCE, OWN, RUN_FIELDS, type Runs, ZERO } from '../format/chunk-map.js';
import { decodeTrailer, encodeHeader, HEADER_BYTES, type Trailer } from '../format/data-file.js';
import { FRAME_PAGES, HASH_BYTES } from '../format/page.js';
import { DamagedError } from './frame-codec.js';
import { putFrame, RECORD_BYTES } from './shared-frames.js';

/** A data file as its manifest describes it. */
export interface DataSource {
  readonly crid: string;
  readonly path: string;
  readonly bytes: number;
  readonly trailerBytes: number;
  /** Of the trailer, hex. */
  readonly trailerDigest: string;
}

/** What is to be read of an image. */
export interface ReadSpec {
  readonly map: Uint8Array;
  readonly pages: number;
  /** The image's own data, then its sources in the manifest's order. */
  readonly data: readonly DataSource[];
  /** The pages wanted: from the first to before the second. */
  readonly range: readonly [from: number, to: number];
}

/** Numbers of one entry of a plan: frame, page within it, page of the image, count. */
export const ENTRY_FIELDS = 4;
/** Pages of the image that one slice makes at most: 16 MiB. */
const MOST_SLICE = 4096;
/** And at least, so that both workers have some of a small image. */
const LEAST_SLICE = 1024;

/**
 * In which order to read which frames, and where their pages belong. Each slice is one stretch of the image, so that it
 * is written in long pieces however scattered its pages lie: at depth 50, writing pages singly took half of the time.
 * Within it each frame is read once, front to back.
 */
export interface ReadPlan {
  /** One of its kind in this process. */
  readonly id: string;
  /** Data files, in the order of `starts`. */
  readonly paths: readonly string[];
  /** Index of each data file's first frame. */
  readonly starts: readonly number[];
  readonly frames: Uint8Array;
  readonly entries: Int32Array;
  /** Where each slice of the entries ends. */
  readonly cuts: readonly number[];
  /** A slice's pages are those between two multiples of this. */
  readonly slicePages: number;
  /** For each frame, 1 where more than one slice needs it: it is kept from one to the next. */
  readonly again: Uint8Array;
}

let plans = 0;

/** A data file's trailer, held against what the manifest says of it. Throws {@link DamagedError}. */
export function readTrailer(source: DataSource): Trailer {
  let fd: number;
  try {
    fd = openSync(source.path, 'r');
  } catch (caught) {
    throw new DamagedError(`the data of ${source.crid} is gone`, { cause: caught });
  }
  try {
    const { size } = fstatSync(fd);
    if (size !== source.bytes) {
      throw new DamagedError(`the data of ${source.crid} has ${size} bytes instead of ${source.bytes}`);
    }
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(fd, header, 0, HEADER_BYTES, 0);
    const trailer = Buffer.alloc(source.trailerBytes);
    readSync(fd, trailer, 0, trailer.length, size - trailer.length);
    if (!header.equals(encodeHeader(source.crid)) || hash('sha256', trailer) !== source.trailerDigest) {
      throw new DamagedError(`the data of ${source.crid} is not as it was written`);
    }
    return decodeTrailer(trailer);
  } catch (caught) {
    if (caught instanceof RangeError) throw new DamagedError(`the data of ${source.crid}: ${caught.message}`);
    throw caught;
  } finally {
    closeSync(fd);
  }
}

/** The map of an image. Throws {@link DamagedError}. */
export function readRuns({ map, pages, data }: Pick<ReadSpec, 'map' | 'pages' | 'data'>): Runs {
  try {
    return decodeRuns(map, pages, data.length - 1);
  } catch (caught) {
    if (caught instanceof RangeError) throw new DamagedError(caught.message);
    throw caught;
  }
}

/** Plans the reading of an image. */
export function planReading(spec: ReadSpec): ReadPlan {
  const [from, to] = spec.range;
  const slicePages = Math.min(Math.max(Math.ceil((to - from) / 8), LEAST_SLICE), MOST_SLICE);
  const wanted = entriesOf(readRuns(spec), spec.range, slicePages);
  const used = new Map<number, { readonly start: number; readonly indexes: Int32Array }>();
  const plan = { paths: [] as string[], starts: [] as number[] };
  const framesOf: (readonly [number, Trailer['frames']])[] = [];
  let total = 0;
  for (const where of new Set(wanted.filter((_, index) => index % 4 === 0))) {
    const source = spec.data[where - OWN]!;
    const { frames } = readTrailer(source);
    used.set(where, { start: total, indexes: indexesOf(frames) });
    framesOf.push([total, frames]);
    plan.paths.push(source.path);
    plan.starts.push(total);
    total += frames.length;
  }
  const shared = new Uint8Array(new SharedArrayBuffer(Math.max(total, 1) * RECORD_BYTES));
  for (const [start, frames] of framesOf)
    for (const [index, frame] of frames.entries()) putFrame(shared, start + index, frame);
  const { entries, cuts } = sortEntries(wanted, total, slicePages, where => used.get(where)!);
  const id = `${threadId}.${++plans}`;
  return { ...plan, id, frames: shared, entries, cuts, slicePages, again: usedAgain(entries, cuts, total) };
}

/** What is wanted of the map, cut where frames and slices end: where, position, page of the image, count. */
function entriesOf(runs: Runs, [from, to]: ReadSpec['range'], slicePages: number): number[] {
  const wanted: number[] = [];
  let page = 0;
  for (let i = 0; i < runs.length && page < to; i += RUN_FIELDS) {
    const [where, count, position] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    const end = Math.min(page + count, to);
    for (let at = Math.max(page, from); where !== ZERO && at < end; ) {
      const is = position + at - page;
      const some = Math.min(FRAME_PAGES - (is % FRAME_PAGES), slicePages - (at % slicePages), end - at);
      wanted.push(where, is, at, some);
      at += some;
    }
    page += count;
  }
  return wanted;
}

/** Index of the frame that begins at each multiple of {@link FRAME_PAGES}; -1 where there is none. */
function indexesOf(frames: Trailer['frames']): Int32Array {
  const indexes = new Int32Array((frames.at(-1)?.first ?? -FRAME_PAGES) / FRAME_PAGES + 1).fill(-1);
  frames.forEach((frame, index) => {
    indexes[frame.first / FRAME_PAGES] = index;
  });
  return indexes;
}

/** By slice, and within a slice by frame. Sorts by counting, twice: a million entries take milliseconds. */
function sortEntries(
  wanted: readonly number[],
  frames: number,
  slicePages: number,
  usedOf: (where: number) => { readonly start: number; readonly indexes: Int32Array },
): Pick<ReadPlan, 'entries' | 'cuts'> {
  const count = wanted.length / 4;
  const frameOf = new Int32Array(count);
  const sliceOf = new Int32Array(count);
  let slices = 0;
  for (let i = 0; i < count; i++) {
    const { start, indexes } = usedOf(wanted[i * 4]!);
    const index = indexes[Math.floor(wanted[i * 4 + 1]! / FRAME_PAGES)] ?? -1;
    if (index < 0) throw new DamagedError('the chunk map points to a page that is nowhere');
    frameOf[i] = start + index;
    sliceOf[i] = Math.floor(wanted[i * 4 + 2]! / slicePages);
    slices = Math.max(slices, sliceOf[i]! + 1);
  }
  const inOrder = Int32Array.from({ length: count }, (_, i) => i);
  const byFrame = sortedBy(inOrder, frameOf, frames).order;
  const { order, ends } = sortedBy(byFrame, sliceOf, slices);
  const entries = new Int32Array(new SharedArrayBuffer(Math.max(count, 1) * ENTRY_FIELDS * 4));
  order.forEach((i, at) => {
    entries[at * ENTRY_FIELDS] = frameOf[i]!;
    entries[at * ENTRY_FIELDS + 1] = wanted[i * 4 + 1]! % FRAME_PAGES;
    entries[at * ENTRY_FIELDS + 2] = wanted[i * 4 + 2]!;
    entries[at * ENTRY_FIELDS + 3] = wanted[i * 4 + 3]!;
  });
  // A slice of nothing but zeros has no entries, and is none.
  return { entries, cuts: [...ends].filter((end, slice) => end > (ends[slice - 1] ?? 0)) };
}

/** See {@link ReadPlan.again}. */
function usedAgain(entries: Int32Array, cuts: readonly number[], frames: number): Uint8Array {
  const again = new Uint8Array(new SharedArrayBuffer(Math.max(frames, 1)));
  const lastIn = new Int32Array(frames).fill(-1);
  let slice = 0;
  for (let i = 0; i < (cuts.at(-1) ?? 0); i++) {
    while (i >= cuts[slice]!) slice++;
    const frame = entries[i * ENTRY_FIELDS]!;
    if (lastIn[frame]! >= 0 && lastIn[frame] !== slice) again[frame] = 1;
    lastIn[frame] = slice;
  }
  return again;
}

/** An order that is kept among equal keys, and where the entries of each key end in it. */
function sortedBy(
  order: Int32Array,
  keyOf: Int32Array,
  keys: number,
): { readonly order: Int32Array; readonly ends: Int32Array } {
  const ends = new Int32Array(keys);
  for (const i of order) ends[keyOf[i]!]!++;
  for (let key = 1; key < keys; key++) ends[key]! += ends[key - 1]!;
  const next = ends.slice();
  const sorted = new Int32Array(order.length);
  for (let at = order.length - 1; at >= 0; at--) sorted[--next[keyOf[order[at]!]!]!] = order[at]!;
  return { order: sorted, ends };
}

/** The hashes of an image's pages, from the trailers of the data they are in. */
export function leavesOf(
  runs: Runs,
  pages: number,
  hashesOf: (where: number) => Buffer,
  zero: Buffer,
): Buffer {
  const leaves = Buffer.alloc(pages * HASH_BYTES);
  let page = 0;
  for (let i = 0; i < runs.length; i += RUN_FIELDS) {
    const [where, count, position] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    if (where === ZERO) for (let n = 0; n < count; n++) zero.copy(leaves, (page + n) * HASH_BYTES);
    else {
      const hashes = hashesOf(where);
      if ((position + count) * HASH_BYTES > hashes.length) throw new DamagedError(sourceGap(where));
      hashes.copy(leaves, page * HASH_BYTES, position * HASH_BYTES, (position + count) * HASH_BYTES);
    }
    page += count;
  }
  return leaves;
}

function sourceGap(where: number): string {
  return where === OWN
    ? 'the chunk map points beyond its own data'
    : `the chunk map points beyond the data of source ${where - FIRST_SOURCE}`;
}
