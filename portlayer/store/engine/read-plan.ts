import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
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
/** Frames of one slice: 4 MiB before compression. */
const SLICE_FRAMES = 64;

/** In which order to read which frames, and where their pages belong: each frame once, front to back. */
export interface ReadPlan {
  /** Data files, in the order of `starts`. */
  readonly paths: readonly string[];
  /** Index of each data file's first frame. */
  readonly starts: readonly number[];
  readonly frames: Uint8Array;
  readonly entries: Int32Array;
  /** Where each slice of the entries ends. */
  readonly cuts: readonly number[];
}

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

/** Plans the reading of an image in the order of its sources: cold, random placement costs five times as much. */
export function planReading(spec: ReadSpec): ReadPlan {
  const wanted = entriesOf(readRuns(spec), spec.range);
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
  const { entries, cuts } = sortByFrame(wanted, total, where => used.get(where)!);
  return { ...plan, frames: shared, entries, cuts };
}

/** What is wanted of the map, cut where frames end: where, position, page of the image, count. */
function entriesOf(runs: Runs, [from, to]: ReadSpec['range']): number[] {
  const wanted: number[] = [];
  let page = 0;
  for (let i = 0; i < runs.length && page < to; i += RUN_FIELDS) {
    const [where, count, position] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    const end = Math.min(page + count, to);
    for (let at = Math.max(page, from); where !== ZERO && at < end; ) {
      const is = position + at - page;
      const some = Math.min(FRAME_PAGES - (is % FRAME_PAGES), end - at);
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

/** Sorts by counting: a million entries take milliseconds. */
function sortByFrame(
  wanted: readonly number[],
  frames: number,
  usedOf: (where: number) => { readonly start: number; readonly indexes: Int32Array },
): Pick<ReadPlan, 'entries' | 'cuts'> {
  const counts = new Int32Array(frames + 1);
  const frameOf = new Int32Array(wanted.length / 4);
  for (let i = 0; i < frameOf.length; i++) {
    const { start, indexes } = usedOf(wanted[i * 4]!);
    const index = indexes[Math.floor(wanted[i * 4 + 1]! / FRAME_PAGES)] ?? -1;
    if (index < 0) throw new DamagedError('the chunk map points to a page that is nowhere');
    frameOf[i] = start + index;
    counts[start + index + 1]!++;
  }
  for (let frame = 0; frame < frames; frame++) counts[frame + 1]! += counts[frame]!;
  const next = counts.slice();
  const entries = new Int32Array(new SharedArrayBuffer(Math.max(frameOf.length, 1) * ENTRY_FIELDS * 4));
  frameOf.forEach((frame, i) => {
    const at = next[frame]!++ * ENTRY_FIELDS;
    entries[at] = frame;
    entries[at + 1] = wanted[i * 4 + 1]! % FRAME_PAGES;
    entries[at + 2] = wanted[i * 4 + 2]!;
    entries[at + 3] = wanted[i * 4 + 3]!;
  });
  const cuts: number[] = [];
  let inSlice = 0;
  for (let frame = 0; frame < frames; frame++) {
    if (counts[frame + 1] === counts[frame]) continue;
    if (++inSlice < SLICE_FRAMES && frame < frames - 1) continue;
    cuts.push(counts[frame + 1]!);
    inSlice = 0;
  }
  if (frameOf.length > 0 && cuts.at(-1) !== frameOf.length) cuts.push(frameOf.length);
  return { entries, cuts };
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
