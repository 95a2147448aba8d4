import { hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { OWN, RUN_FIELDS } from '../format/chunk-map.js';
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type Frame,
  HEADER_BYTES,
  type Trailer,
} from '../format/data-file.js';
import { merkleRoot, ZERO_HASH } from '../format/merkle-root.js';
import { HASH_BYTES, PAGE_BYTES } from '../format/page.js';
import { createFrameDecoder, DamagedError } from './frame-codec.js';
import { findOrAdd, type PageTable } from './page-table.js';
import {
  type DataSource,
  ENTRY_FIELDS,
  leavesOf,
  type ReadPlan,
  type ReadSpec,
  readRuns,
  readTrailer,
} from './read-plan.js';
import { frameOf } from './shared-frames.js';

/** Where pages go: a file that is there already, with its size. */
export interface TargetFile {
  readonly path: string;
  readonly bytes: number;
  /** Its first page in the image. */
  readonly at: number;
}

const decoder = createFrameDecoder();
/** The pages of the slice that is made; as long as the longest so far. */
let gathered = Buffer.alloc(0);
/** Frames that further slices of the plan that is worked on need, the last read at the end. */
const kept = { plan: '', frames: new Map<number, Buffer>() };
/** 8 MiB. At depth 50 with 1 % of the pages changed each time, 3 MiB of frames reach across the end of a slice. */
const MOST_KEPT = 128;

/** Reads one slice of a plan and writes its pages into the targets, which are in the order of their pages. */
export function copySlice(plan: ReadPlan, slice: number, targets: readonly TargetFile[]): void {
  const entries = plan.entries.subarray(
    slice === 0 ? 0 : plan.cuts[slice - 1]! * ENTRY_FIELDS,
    plan.cuts[slice]! * ENTRY_FIELDS,
  );
  const first = Math.floor(entries[2]! / plan.slicePages) * plan.slicePages;
  if (gathered.length < plan.slicePages * PAGE_BYTES)
    gathered = Buffer.allocUnsafeSlow(plan.slicePages * PAGE_BYTES);
  writePages(gathered, first, gatherPages(plan, entries, first), targets);
}

/** Puts the pages of these entries where they belong behind page `first`. Which of them there are: 1 for each. */
function gatherPages(plan: ReadPlan, entries: Int32Array, first: number): Uint8Array {
  const there = new Uint8Array(plan.slicePages);
  const sources = new Map<number, number>();
  const read = (frame: number): Buffer => {
    const source = plan.starts.findLastIndex(start => start <= frame);
    const fd = sources.get(source) ?? openSync(plan.paths[source]!, 'r');
    sources.set(source, fd);
    const pages = decoder.read(fd, frameOf(plan.frames, frame)!);
    if (plan.again[frame] === 1) keepFrame(plan, frame, pages);
    return pages;
  };
  try {
    let at = -1;
    let pages: Buffer = gathered;
    for (let i = 0; i < entries.length; i += ENTRY_FIELDS) {
      const [frame, within, page, some] = [entries[i]!, entries[i + 1]!, entries[i + 2]!, entries[i + 3]!];
      if (frame !== at) {
        pages = keptFrame(plan, frame) ?? read(frame);
        at = frame;
      }
      if ((within + some) * PAGE_BYTES > pages.length)
        throw new DamagedError('the chunk map points beyond a frame');
      pages.copy(gathered, (page - first) * PAGE_BYTES, within * PAGE_BYTES, (within + some) * PAGE_BYTES);
      there.fill(1, page - first, page - first + some);
    }
    return there;
  } finally {
    for (const fd of sources.values()) closeSync(fd);
  }
}

function keptFrame(plan: ReadPlan, frame: number): Buffer | undefined {
  return kept.plan === plan.id ? kept.frames.get(frame) : undefined;
}

function keepFrame(plan: ReadPlan, frame: number, pages: Buffer): void {
  if (kept.plan !== plan.id) kept.frames.clear();
  kept.plan = plan.id;
  kept.frames.set(frame, Buffer.from(pages));
  for (const oldest of kept.frames.keys()) {
    if (kept.frames.size <= MOST_KEPT) break;
    kept.frames.delete(oldest);
  }
}

/** Writes those pages that are there, each stretch in one piece; the others stay holes. */
function writePages(pages: Buffer, first: number, there: Uint8Array, targets: readonly TargetFile[]): void {
  const outputs = new Map<string, number>();
  try {
    for (let page = there.indexOf(1); page >= 0; page = there.indexOf(1, page)) {
      const gap = there.indexOf(0, page);
      const end = gap < 0 ? there.length : gap;
      while (page < end) {
        const target = targetOf(targets, first + page);
        if (!target) {
          page++;
          continue;
        }
        const offset = (first + page - target.at) * PAGE_BYTES;
        const bytes = Math.min(target.bytes - offset, (end - page) * PAGE_BYTES);
        const fd = outputs.get(target.path) ?? openSync(target.path, 'r+');
        outputs.set(target.path, fd);
        for (let done = 0; done < bytes; )
          done += writeSync(fd, pages, page * PAGE_BYTES + done, bytes - done, offset + done);
        page += Math.ceil(bytes / PAGE_BYTES);
      }
    }
  } finally {
    for (const fd of outputs.values()) closeSync(fd);
  }
}

function targetOf(targets: readonly TargetFile[], page: number): TargetFile | undefined {
  let [low, high] = [0, targets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (targets[middle]!.at <= page) low = middle + 1;
    else high = middle;
  }
  // An empty file has no page, and shares its place with the next.
  for (let index = low - 1; index >= 0; index--) {
    const target = targets[index]!;
    if (target.bytes > 0) return (page - target.at) * PAGE_BYTES < target.bytes ? target : undefined;
  }
  return undefined;
}

/** Frames that {@link checkData} checks at a time. */
const CHECK_FRAMES = 64;

/**
 * Checks a part of a data file: every byte of `CHECK_FRAMES` frames from `from` on, and every page against its hash.
 * Where to go on, undefined at the end. Throws {@link DamagedError}.
 */
export function checkData(source: DataSource, from: number): number | undefined {
  const { frames, hashes } = lastTrailer(source);
  const fd = openSync(source.path, 'r');
  try {
    let expected = from === 0 ? HEADER_BYTES : -1;
    const some = frames.slice(from, from + CHECK_FRAMES);
    for (const frame of some) {
      if (expected >= 0 && frame.offset !== expected)
        throw new DamagedError(`there is a gap before ${frame.offset}`);
      expected = frame.offset + FRAME_HEADER_BYTES + frame.length;
      checkPages(frame, decoder.read(fd, frame), hashes);
      requireHeader(fd, frame);
    }
    if (from + CHECK_FRAMES < frames.length) return from + CHECK_FRAMES;
    const end = source.bytes - source.trailerBytes;
    if (some.length > 0 && expected !== end) throw new DamagedError(`there is a gap before ${end}`);
    return undefined;
  } finally {
    closeSync(fd);
  }
}

let last: { readonly digest: string; readonly path: string; readonly trailer: Trailer } | undefined;

/** A data file is checked in many slices: its trailer is read for the first of them. */
function lastTrailer(source: DataSource): Trailer {
  if (last?.digest !== source.trailerDigest || last.path !== source.path) {
    const { frames, hashes } = readTrailer(source);
    const trailer = { frames: [...frames].sort((a, b) => a.offset - b.offset), hashes };
    last = { digest: source.trailerDigest, path: source.path, trailer };
  }
  return last.trailer;
}

function requireHeader(fd: number, frame: Frame): void {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  readSync(fd, header, 0, header.length, frame.offset);
  if (typeof decodeFrameHeader(header, frame.offset) !== 'object')
    throw new DamagedError(`the frame at ${frame.offset} has no header`);
}

function checkPages(frame: Frame, pages: Buffer, hashes: Buffer): void {
  for (let i = 0; i < frame.pages; i++) {
    const digest = hash('sha256', pages.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), 'buffer');
    if (digest.compare(hashes, (frame.first + i) * HASH_BYTES, (frame.first + i + 1) * HASH_BYTES) !== 0)
      throw new DamagedError(`page ${frame.first + i} has not the hash it was stored with`);
  }
}

/** The hashes of all pages of an image. */
function leavesOfImage(spec: ReadSpec): Buffer {
  const runs = readRuns(spec);
  const known = new Map<number, Buffer>();
  const hashesOf = (where: number): Buffer => {
    const hashes = known.get(where) ?? readTrailer(spec.data[where - OWN]!).hashes;
    known.set(where, hashes);
    return hashes;
  };
  return leavesOf(runs, spec.pages, hashesOf, ZERO_HASH);
}

/** The Merkle root of each file of an image (first page, pages), from the hashes of the pages that its map points to. */
export function rootsOf(spec: ReadSpec, files: readonly (readonly [at: number, pages: number])[]): string[] {
  const leaves = leavesOfImage(spec);
  return files.map(([at, pages]) => merkleRoot(leaves.subarray(at * HASH_BYTES, (at + pages) * HASH_BYTES)));
}

/** Makes the pages of a data file known to the index. How many there are. */
export function indexData(source: DataSource, table: PageTable, owner: number): number {
  const { frames, hashes } = readTrailer(source);
  let pages = 0;
  for (const frame of frames) {
    for (let position = frame.first; position < frame.first + frame.pages; position++) {
      findOrAdd(table, hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES), owner, position);
      pages++;
    }
  }
  return pages;
}

/** How many different pages of one of an image's data files its map points to. */
export function countPages(spec: ReadSpec, data: number): number {
  const runs = readRuns(spec);
  const seen = new Set<number>();
  for (let i = 0; i < runs.length; i += RUN_FIELDS) {
    const [where, count, position] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    if (where === OWN + data) for (let n = 0; n < count; n++) seen.add(position + n);
  }
  return seen.size;
}

/** How many pages of two files differ, page by page from their beginnings; what only one of them has is not counted. */
export function countDifferences(
  [one, oneAt]: readonly [spec: ReadSpec, at: number],
  [other, otherAt]: readonly [spec: ReadSpec, at: number],
  pages: number,
): number {
  const [left, right] = [leavesOfImage(one), leavesOfImage(other)];
  let different = 0;
  for (let page = 0; page < pages; page++) {
    const from = (oneAt + page) * HASH_BYTES;
    const to = (otherAt + page) * HASH_BYTES;
    if (left.compare(right, to, to + HASH_BYTES, from, from + HASH_BYTES) !== 0) different++;
  }
  return different;
}
