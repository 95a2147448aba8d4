import { hash } from 'node:crypto';
import { FRAME_PAGES, HASH_BYTES, PAGE_BYTES } from './page.js';

/** The version of the data file's form. Rises when an old reader would misread. */
const DATA_VERSION = 1;
/** Bytes before the first frame. */
export const HEADER_BYTES = 64;
/** Bytes before each frame's own. */
export const FRAME_HEADER_BYTES = 32;
/** Bytes of one frame's entry in the trailer. */
const ENTRY_BYTES = 40;
/** Bytes at the very end. */
export const END_BYTES = 64;

const MAGIC = 'PLIMAGE\0';
const END_MAGIC = 'PLIMGEND';
/** In the place of a frame's first page: what follows is the trailer. */
const TRAILER_MARK = 0xffffffff;

/** How a frame's bytes stand. */
export const RAW = 0;
/** See {@link RAW}. */
export const ZSTD = 1;

/** One frame as its header, and its entry in the trailer, describe it. */
export interface Frame {
  /** Position of its first page; a multiple of {@link FRAME_PAGES}. */
  readonly first: number;
  readonly pages: number;
  readonly coding: number;
  /** Bytes after the frame's header. */
  readonly length: number;
  /** Where its header begins in the file. */
  readonly offset: number;
  /** First 16 bytes of the SHA-256 over its header without the digest, and its bytes. */
  readonly digest: Buffer;
}

/** The first bytes of a data file: what it is, of which version, whose. */
export function encodeHeader(crid: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  header.writeUInt32LE(DATA_VERSION, 8);
  header.writeUInt32LE(PAGE_BYTES, 12);
  header.writeUInt32LE(FRAME_PAGES, 16);
  header.write(crid, 20, 26, 'latin1');
  return header;
}

/** A frame's header, with the digest over itself and `bytes`. */
export function encodeFrameHeader(first: number, pages: number, coding: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(first, 0);
  header.writeUInt16LE(pages, 4);
  header.writeUInt16LE(coding, 6);
  header.writeUInt32LE(bytes.length, 8);
  frameDigest(header, bytes).copy(header, 16);
  return header;
}

/** The digest that a frame's header must hold. */
export function frameDigest(header: Buffer, bytes: Buffer): Buffer {
  const whole = Buffer.concat([header.subarray(0, 16), bytes]);
  return hash('sha256', whole, 'buffer').subarray(0, 16);
}

/** A frame's header, read from a stream or a file at `offset`. `trailer`: there are no more frames. Undefined: no header. */
export function decodeFrameHeader(header: Buffer, offset: number): Frame | 'trailer' | undefined {
  if (header.length < FRAME_HEADER_BYTES) return undefined;
  const first = header.readUInt32LE(0);
  if (first === TRAILER_MARK) return 'trailer';
  const frame: Frame = {
    first,
    pages: header.readUInt16LE(4),
    coding: header.readUInt16LE(6),
    length: header.readUInt32LE(8),
    offset,
    digest: header.subarray(16, 32),
  };
  return isSound(frame) && header.readUInt32LE(12) === 0 ? frame : undefined;
}

function isSound({ first, pages, coding, length }: Frame): boolean {
  if (first % FRAME_PAGES !== 0 || first > 2 ** 31 - FRAME_PAGES || pages < 1 || pages > FRAME_PAGES)
    return false;
  return coding === RAW ? length === pages * PAGE_BYTES : coding === ZSTD && length < pages * PAGE_BYTES;
}

/** What a data file ends with. */
export interface Trailer {
  /** In the order of `first`. */
  readonly frames: readonly Frame[];
  /** SHA-256 of each position's page, {@link HASH_BYTES} each; zeros where there is no page. */
  readonly hashes: Buffer;
}

/** The trailer as bytes. It says at its very end how long it is, so that it is found from there. */
export function encodeTrailer({ frames, hashes }: Trailer): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUInt32LE(TRAILER_MARK, 0);
  head.writeUInt32LE(frames.length, 4);
  head.writeUInt32LE(hashes.length / HASH_BYTES, 8);
  const entries = Buffer.alloc(frames.length * ENTRY_BYTES);
  frames.forEach((frame, index) => {
    const at = index * ENTRY_BYTES;
    entries.writeUInt32LE(frame.first, at);
    entries.writeUInt16LE(frame.pages, at + 4);
    entries.writeUInt16LE(frame.coding, at + 6);
    entries.writeUInt32LE(frame.length, at + 8);
    entries.writeBigUInt64LE(BigInt(frame.offset), at + 16);
    frame.digest.copy(entries, at + 24);
  });
  const body = Buffer.concat([head, entries, hashes]);
  const end = Buffer.alloc(END_BYTES);
  end.writeBigUInt64LE(BigInt(body.length + END_BYTES), 0);
  hash('sha256', body, 'buffer').copy(end, 16);
  end.write(END_MAGIC, END_BYTES - END_MAGIC.length, 'latin1');
  return Buffer.concat([body, end]);
}

/** Reads a trailer back. Throws `RangeError` for anything that {@link encodeTrailer} has not written. */
export function decodeTrailer(bytes: Buffer): Trailer {
  const body = bytes.subarray(0, Math.max(bytes.length - END_BYTES, 0));
  const count = body.length >= FRAME_HEADER_BYTES ? body.readUInt32LE(4) : 0;
  const positions = body.length >= FRAME_HEADER_BYTES ? body.readUInt32LE(8) : 0;
  const hashesAt = FRAME_HEADER_BYTES + count * ENTRY_BYTES;
  if (body.length !== hashesAt + positions * HASH_BYTES) throw new RangeError('the trailer is cut short');
  const frames: Frame[] = [];
  for (let at = FRAME_HEADER_BYTES; at < hashesAt; at += ENTRY_BYTES) {
    const frame: Frame = {
      first: body.readUInt32LE(at),
      pages: body.readUInt16LE(at + 4),
      coding: body.readUInt16LE(at + 6),
      length: body.readUInt32LE(at + 8),
      offset: Number(body.readBigUInt64LE(at + 16)),
      digest: body.subarray(at + 24, at + 40),
    };
    if (!isSound(frame) || frame.first + frame.pages > positions)
      throw new RangeError('a frame is out of bounds');
    if (frame.first <= (frames.at(-1)?.first ?? -1)) throw new RangeError('the frames are out of order');
    frames.push(frame);
  }
  const trailer: Trailer = { frames, hashes: body.subarray(hashesAt) };
  // Its own digest, its length, its padding: all that is not read above.
  if (!encodeTrailer(trailer).equals(bytes)) throw new RangeError('the trailer is not as it was written');
  return trailer;
}
