import { hash } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync, writevSync } from 'node:fs';
import { FIRST_SOURCE, OWN, type Runs, toRuns, ZERO } from '../format/chunk-map.js';
import {
  decodeFrameHeader,
  encodeHeader,
  encodeTrailer,
  FRAME_HEADER_BYTES,
  type Frame,
  HEADER_BYTES,
} from '../format/data-file.js';
import { merkleRoot, ZERO_HASH } from '../format/merkle-root.js';
import { FRAME_PAGES, HASH_BYTES, PAGE_BYTES, pagesOf } from '../format/page.js';
import { createFrameDecoder, createFrameEncoder, DamagedError } from './frame-codec.js';
import { findOrAdd, type PageTable } from './page-table.js';
import { frameAt, framesIn, noteFrame } from './shared-frames.js';

/** So many pages are read, hashed and deduplicated as one slice of work: 4 MiB. */
export const SEGMENT_PAGES = 1024;
/** Positions that a worker claims at a time: what it fills is written as one piece. */
export const EXTENT_PAGES = 256;

/** A file, or a part of the page space, that is to be stored. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  /** Its first page. */
  readonly at: number;
}

/** An image that is being written. The shared parts are one for all workers. */
export interface WriteSpec {
  readonly crid: string;
  readonly out: string;
  readonly files: readonly SourceFile[];
  readonly pages: number;
  readonly table: PageTable;
  readonly owner: number;
  /** Owner (-1: zero) and position for each page. */
  readonly map: Int32Array;
  /** SHA-256 of each page. */
  readonly hashes: Uint8Array;
  /** SHA-256 by position, of pages that were there before. */
  readonly kept: Uint8Array;
  readonly frames: Uint8Array;
  /** At 0: the next extent's first position. At 1: pages stored. At 2: pages that were zero. */
  readonly counters: Int32Array;
  /** At 0: where the data file ends. */
  readonly end: BigInt64Array;
}

/** What {@link finishWriting} tells. */
export interface Written {
  /** The chunk map, its sources numbered as in `owners`. */
  readonly runs: Runs;
  readonly owners: readonly number[];
  /** The Merkle root of each file. */
  readonly roots: readonly string[];
  /** Bytes of the whole data file. */
  readonly bytes: number;
  readonly trailerBytes: number;
  /** Of the trailer, hex. */
  readonly trailerDigest: string;
  readonly storedPages: number;
  readonly zeroPages: number;
}

/** One worker's part in writing one image. */
export interface ImageWriter {
  /** Stores the pages of one segment. */
  segment(index: number): void;
  /** Writes what is still held back. */
  flush(): void;
  close(): void;
}

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);
const encoder = createFrameEncoder();

/** Opens one worker's part. The data file is there already, with its header. */
export function openWriter(spec: WriteSpec): ImageWriter {
  const out = openSync(spec.out, 'r+');
  const inputs = new Map<string, number>();
  const buffer = Buffer.alloc(Math.min(SEGMENT_PAGES, Math.max(spec.pages, 1)) * PAGE_BYTES);
  const extent = Buffer.alloc(Math.min(EXTENT_PAGES, Math.max(spec.pages, 1)) * PAGE_BYTES);
  const hashes = Buffer.from(spec.hashes.buffer);
  let base = -1;
  let filled = 0;

  function flush(): void {
    if (filled === 0) return;
    const parts: Buffer[] = [];
    let length = 0;
    const frames: Frame[] = [];
    for (let at = 0; at < filled; at += FRAME_PAGES) {
      const pages = Math.min(FRAME_PAGES, filled - at);
      const [header, bytes] = encoder.encode(
        base + at,
        extent.subarray(at * PAGE_BYTES, (at + pages) * PAGE_BYTES),
      );
      frames.push({ ...(decodeFrameHeader(header, length) as Frame) });
      parts.push(header, bytes);
      length += header.length + bytes.length;
    }
    const from = Number(Atomics.add(spec.end, 0, BigInt(length)));
    for (const frame of frames) noteFrame(spec.frames, { ...frame, offset: from + frame.offset });
    writeAll(out, parts, from);
    Atomics.add(spec.counters, 1, filled);
    filled = 0;
    base = -1;
  }

  function store(page: number, bytes: Buffer): void {
    const digest = hash('sha256', bytes, 'buffer');
    digest.copy(hashes, page * HASH_BYTES);
    if (base < 0) base = Atomics.add(spec.counters, 0, EXTENT_PAGES);
    const position = base + filled;
    const found = findOrAdd(spec.table, digest, spec.owner, position);
    spec.map[page * 2] = found ? found.owner : spec.owner;
    spec.map[page * 2 + 1] = found ? found.position : position;
    if (found) return;
    bytes.copy(extent, filled * PAGE_BYTES);
    if (++filled * PAGE_BYTES === extent.length) flush();
  }

  function input(path: string): number {
    const open = inputs.get(path);
    if (open !== undefined) return open;
    for (const [old, fd] of inputs.size >= 64 ? inputs : []) {
      closeSync(fd);
      inputs.delete(old);
    }
    const fd = openSync(path, 'r');
    inputs.set(path, fd);
    return fd;
  }

  /** The pages of a segment, each file's last one filled up with zeros. */
  function read(first: number, pages: number): void {
    buffer.fill(0, 0, pages * PAGE_BYTES);
    for (const file of filesWithin(spec.files, first, first + pages)) {
      const from = Math.max(first - file.at, 0) * PAGE_BYTES;
      const to = Math.min(file.bytes, (first + pages - file.at) * PAGE_BYTES);
      const into = (Math.max(file.at, first) - first) * PAGE_BYTES;
      for (let at = from; at < to; ) {
        const got = readSync(input(file.path), buffer, into + at - from, to - at, at);
        if (got === 0) throw new Error(`${file.path} became shorter while it was committed`);
        at += got;
      }
    }
  }

  return {
    segment(index) {
      const first = index * SEGMENT_PAGES;
      const pages = Math.min(SEGMENT_PAGES, spec.pages - first);
      read(first, pages);
      for (let i = 0; i < pages; i++) {
        const bytes = buffer.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES);
        if (bytes[0] === 0 && bytes.equals(ZERO_PAGE)) {
          ZERO_HASH.copy(hashes, (first + i) * HASH_BYTES);
          spec.map[(first + i) * 2] = -1;
          Atomics.add(spec.counters, 2, 1);
        } else {
          store(first + i, bytes);
        }
      }
    },
    flush,
    close() {
      closeSync(out);
      for (const fd of inputs.values()) closeSync(fd);
    },
  };
}

/** Files are in the order of their pages: the first is found by halving. */
function* filesWithin(files: readonly SourceFile[], from: number, to: number): Iterable<SourceFile> {
  let [low, high] = [0, files.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (files[middle]!.at + Math.ceil(files[middle]!.bytes / PAGE_BYTES) <= from) low = middle + 1;
    else high = middle;
  }
  for (; low < files.length && files[low]!.at < to; low++) if (files[low]!.bytes > 0) yield files[low]!;
}

function writeAll(fd: number, parts: Buffer[], at: number): void {
  let left = parts;
  let from = at;
  while (left.length > 0) {
    // No more than the kernel takes at a time: IOV_MAX is 1024.
    const some = left.slice(0, 1000);
    const length = some.reduce((sum, part) => sum + part.length, 0);
    const wrote = writevSync(fd, some, from);
    if (wrote !== length) {
      const rest = Buffer.concat(some).subarray(wrote);
      for (let done = 0; done < rest.length; )
        done += writeSync(fd, rest, done, rest.length - done, from + wrote + done);
    }
    from += length;
    left = left.slice(1000);
  }
}

/**
 * Takes up a data file that a killed writer left, or that is to be added to: its whole frames become known as the
 * image's own, what follows the last whole one is cut off. Returns where it ends now. A file that is none becomes an
 * empty data file.
 */
export function takeUpData(spec: WriteSpec): number {
  const header = encodeHeader(spec.crid);
  const fd = openSync(spec.out, 'a+', 0o600);
  closeSync(fd);
  const file = openSync(spec.out, 'r+');
  try {
    const found = Buffer.alloc(HEADER_BYTES);
    readSync(file, found, 0, HEADER_BYTES, 0);
    if (!found.equals(header)) {
      ftruncateSync(file, 0);
      writeSync(file, header, 0, HEADER_BYTES, 0);
    }
    const decoder = createFrameDecoder();
    const kept = Buffer.from(spec.kept.buffer);
    let next = 0;
    let end = HEADER_BYTES;
    for (;;) {
      const head = Buffer.alloc(FRAME_HEADER_BYTES);
      const got = readSync(file, head, 0, FRAME_HEADER_BYTES, end);
      const frame = got === FRAME_HEADER_BYTES ? decodeFrameHeader(head, end) : undefined;
      if (frame === undefined || frame === 'trailer') break;
      if (frameAt(spec.frames, frame.first) || (frame.first + frame.pages) * HASH_BYTES > kept.length) break;
      const pages = pagesOrNothing(() => decoder.read(file, frame));
      if (!pages) break;
      for (let i = 0; i < frame.pages; i++) {
        const digest = hash('sha256', pages.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), 'buffer');
        digest.copy(kept, (frame.first + i) * HASH_BYTES);
        findOrAdd(spec.table, digest, spec.owner, frame.first + i);
      }
      noteFrame(spec.frames, frame);
      end += FRAME_HEADER_BYTES + frame.length;
      next = Math.max(next, frame.first + FRAME_PAGES);
    }
    ftruncateSync(file, end);
    Atomics.store(spec.end, 0, BigInt(end));
    Atomics.store(spec.counters, 0, next);
    return end;
  } finally {
    closeSync(file);
  }
}

function pagesOrNothing(read: () => Buffer): Buffer | undefined {
  try {
    return read();
  } catch (caught) {
    if (caught instanceof DamagedError) return undefined;
    throw caught;
  }
}

/** Writes the trailer, makes the data file durable, and tells what the manifest needs. After every worker's `flush`. */
export function finishWriting(spec: WriteSpec): Written {
  const hashes = Buffer.from(spec.hashes.buffer, 0, spec.pages * HASH_BYTES);
  const frames = framesIn(spec.frames);
  const last = frames.at(-1);
  const positions = last ? last.first + last.pages : 0;
  const byPosition = Buffer.alloc(positions * HASH_BYTES);
  Buffer.from(spec.kept.buffer).copy(byPosition, 0, 0, byPosition.length);
  const numbers = new Map<number, number>();
  const map = new Int32Array(spec.pages * 2);
  for (let page = 0; page < spec.pages; page++) {
    const [owner, position] = [spec.map[page * 2]!, spec.map[page * 2 + 1]!];
    if (owner === spec.owner) {
      map[page * 2] = OWN;
      hashes.copy(byPosition, position * HASH_BYTES, page * HASH_BYTES, (page + 1) * HASH_BYTES);
    } else if (owner < 0) {
      map[page * 2] = ZERO;
    } else {
      const number = numbers.get(owner) ?? numbers.size;
      numbers.set(owner, number);
      map[page * 2] = FIRST_SOURCE + number;
    }
    map[page * 2 + 1] = position;
  }
  const trailer = encodeTrailer({ frames, hashes: byPosition });
  const at = Number(Atomics.load(spec.end, 0));
  const file = openSync(spec.out, 'r+');
  try {
    for (let done = 0; done < trailer.length; )
      done += writeSync(file, trailer, done, trailer.length - done, at + done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return {
    runs: toRuns(map),
    owners: [...numbers.keys()],
    roots: spec.files.map(({ at, bytes }) =>
      merkleRoot(hashes.subarray(at * HASH_BYTES, (at + pagesOf(bytes)) * HASH_BYTES)),
    ),
    bytes: at + trailer.length,
    trailerBytes: trailer.length,
    trailerDigest: hash('sha256', trailer),
    storedPages: Atomics.load(spec.counters, 1),
    zeroPages: Atomics.load(spec.counters, 2),
  };
}
