import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { Compressor, Decompressor } from 'zstd-napi';
import { encodeFrameHeader, FRAME_HEADER_BYTES, type Frame, RAW, ZSTD } from '../format/data-file.js';
import { FRAME_PAGES, PAGE_BYTES } from '../format/page.js';

/** Measured on real dumps: level 3 makes 1 % less at two thirds of the speed (design/mechanisms/store.md). */
const LEVEL = 1;

/** What a frame that cannot be used is reported with; the engine makes CHECKPOINT_CORRUPT of it. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError';
}

/** Makes frames. One for each worker: its state is reused. */
export interface FrameEncoder {
  /** The frame's header and bytes for the pages from position `first` on. */
  encode(first: number, pages: Buffer): readonly [header: Buffer, bytes: Buffer];
}

/** An encoder of zstd frames; pages that it does not make smaller stay as they are. */
export function createFrameEncoder(): FrameEncoder {
  const compressor = new Compressor();
  compressor.setParameters({ compressionLevel: LEVEL });
  return {
    encode(first, pages) {
      const packed = compressor.compress(pages);
      const smaller = packed.length < pages.length;
      const bytes = smaller ? packed : Buffer.from(pages);
      return [encodeFrameHeader(first, pages.length / PAGE_BYTES, smaller ? ZSTD : RAW, bytes), bytes];
    },
  };
}

/** Reads frames. One for each worker: its buffer is reused. */
export interface FrameDecoder {
  /** The pages of a frame of the open file `fd`; theirs until the next call. Throws {@link DamagedError}. */
  read(fd: number, frame: Frame): Buffer;
  /** The pages of a frame whose header and bytes lie in `whole`. Throws {@link DamagedError}. Changes `whole`. */
  decode(whole: Buffer, frame: Frame): Buffer;
}

/** A decoder that believes no frame that has not the digest it should have. */
export function createFrameDecoder(): FrameDecoder {
  const decompressor = new Decompressor();
  const buffer = Buffer.alloc(FRAME_HEADER_BYTES + FRAME_PAGES * PAGE_BYTES);
  const decoder: FrameDecoder = {
    read(fd, frame) {
      const bytes = FRAME_HEADER_BYTES + frame.length;
      const got = readSync(fd, buffer, 0, bytes, frame.offset);
      if (got !== bytes) throw new DamagedError(`the frame at ${frame.offset} is cut short`);
      return decoder.decode(buffer.subarray(0, bytes), frame);
    },
    decode(whole, frame) {
      const agrees =
        whole.readUInt32LE(0) === frame.first &&
        whole.readUInt16LE(4) === frame.pages &&
        whole.readUInt16LE(6) === frame.coding &&
        whole.readUInt32LE(8) === frame.length &&
        whole.compare(frame.digest, 0, 16, 16, 32) === 0;
      // The header without its digest, then the bytes: what the digest is over.
      const digest = createHash('sha256').update(whole.subarray(0, 16)).update(whole.subarray(32)).digest();
      if (!agrees || digest.compare(frame.digest, 0, 16, 0, 16) !== 0) {
        throw new DamagedError(`the frame at ${frame.offset} is not as it was written`);
      }
      const bytes = whole.subarray(FRAME_HEADER_BYTES);
      if (frame.coding === RAW) return bytes;
      // Its digest says only that nothing changed: whoever made it may want us to take all memory.
      if (contentSize(bytes) !== frame.pages * PAGE_BYTES) {
        throw new DamagedError(`the frame at ${frame.offset} does not hold ${frame.pages} pages`);
      }
      const pages = decompressor.decompress(bytes);
      if (pages.length === frame.pages * PAGE_BYTES) return pages;
      throw new DamagedError(`the frame at ${frame.offset} does not hold ${frame.pages} pages`);
    },
  };
  return decoder;
}

/** The size that a zstd frame says its content has; undefined where it says none. Source: RFC 8878, 3.1.1.1. */
function contentSize(bytes: Buffer): number | undefined {
  if (bytes.length < 10 || bytes.readUInt32LE(0) !== 0xfd2fb528) return undefined;
  const descriptor = bytes[4]!;
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  switch (descriptor >> 6) {
    case 0:
      return single ? bytes[at] : undefined;
    case 1:
      return bytes.readUInt16LE(at) + 256;
    case 2:
      return bytes.readUInt32LE(at);
    default:
      return undefined;
  }
}
