import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** One file of an archive: its bytes, or where they are. */
export interface ArchiveEntry {
  readonly name: string;
  readonly content: Buffer | { readonly path: string; readonly bytes: number };
}

const BLOCK = 512;
/** What is read and handed on at a time. */
const CHUNK = 256 * 1024;

/** A tar header with nothing in it but name and size: the same archive for the same content. */
export function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, 'latin1');
  header.write('0000644\0' + '0000000\0' + '0000000\0', 100, 'latin1');
  if (size < 8 ** 11) header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  else {
    header.writeBigUInt64BE(BigInt(size), 128);
    header[124] = 0x80;
  }
  header.write(`${'0'.repeat(11)}\0        0`, 136, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** How long an archive of these entries is. */
export function archiveBytes(entries: readonly ArchiveEntry[]): number {
  return entries.reduce((sum, entry) => sum + BLOCK + padded(bytesOf(entry)), 2 * BLOCK);
}

/** An archive from byte `offset` on. */
export async function* archiveFrom(
  entries: readonly ArchiveEntry[],
  offset: number,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  let left = offset;
  /** What of a piece lies behind the offset; undefined where all of it is before. */
  const rest = (piece: Buffer): Buffer | undefined => {
    const skipped = Math.min(left, piece.length);
    left -= skipped;
    return skipped < piece.length ? piece.subarray(skipped) : undefined;
  };
  for (const entry of entries) {
    const size = bytesOf(entry);
    const header = rest(tarHeader(entry.name, size));
    if (header) yield header;
    if (Buffer.isBuffer(entry.content)) {
      const content = rest(entry.content);
      if (content) yield content;
    } else {
      const start = Math.min(left, size);
      left -= start;
      const from = createReadStream(entry.content.path, { start, highWaterMark: CHUNK, signal });
      if (start < size) for await (const chunk of from) yield chunk as Buffer;
      else from.destroy();
    }
    const padding = rest(Buffer.alloc(padded(size) - size));
    if (padding) yield padding;
  }
  const end = rest(Buffer.alloc(2 * BLOCK));
  if (end) yield end;
}

/** SHA-256 of a file, hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** An entry for a file that is there. */
export async function fileEntry(name: string, path: string): Promise<ArchiveEntry> {
  return { name, content: { path, bytes: (await stat(path)).size } };
}

function bytesOf({ content }: ArchiveEntry): number {
  return Buffer.isBuffer(content) ? content.length : content.bytes;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

/** What an archive is taken apart into. */
export interface ArchiveSink {
  /** Called for each file: where its content goes, as far as `name` and `bytes` are acceptable. Throws what is not. */
  accept(name: string, bytes: number): { readonly path: string };
}

/**
 * Takes an archive apart as it comes, with no seek. Only plain files; anything else, and anything that is cut short,
 * throws `RangeError`: the archive comes from a stranger.
 */
export async function takeApart(chunks: AsyncIterable<Buffer>, sink: ArchiveSink): Promise<void> {
  const reader = readerOf(chunks);
  for (;;) {
    const header = await reader.exactly(BLOCK);
    if (header.every(byte => byte === 0)) return reader.drain();
    const { name, size } = decodeTarHeader(header);
    const { path } = sink.accept(name, size);
    const file = await open(path, 'wx', 0o600);
    try {
      for (let left = size; left > 0; ) {
        const some = await reader.some(left);
        await file.writeFile(some);
        left -= some.length;
      }
    } finally {
      await file.close();
    }
    await reader.exactly(padded(size) - size);
  }
}

function decodeTarHeader(header: Buffer): { name: string; size: number } {
  const text = (at: number, length: number): string =>
    header
      .subarray(at, at + length)
      .toString('latin1')
      .replace(/\0.*$/s, '');
  const size =
    header[124] === 0x80
      ? Number(header.readBigUInt64BE(128))
      : Number.parseInt(text(124, 12).trim() || '0', 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  const kind = header[156];
  if (Number.parseInt(text(148, 8).trim(), 8) !== sum)
    throw new RangeError('a header of the archive is damaged');
  if (kind !== 0 && kind !== 0x30) throw new RangeError('the archive holds something that is no plain file');
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('a size in the archive is out of bounds');
  return { name: text(0, 100), size };
}

/** Reads a stream of chunks in the pieces that are wanted. */
function readerOf(chunks: AsyncIterable<Buffer>) {
  const source = chunks[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const some = async (most: number): Promise<Buffer> => {
    while (held.length === 0) {
      const next = await source.next();
      if (next.done) throw new RangeError('the archive is cut short');
      held = next.value;
    }
    const piece = held.subarray(0, most);
    held = held.subarray(piece.length);
    return piece;
  };
  return {
    some,
    async exactly(bytes: number): Promise<Buffer> {
      const pieces: Buffer[] = [];
      for (let left = bytes; left > 0; left -= pieces.at(-1)!.length) pieces.push(await some(left));
      return Buffer.concat(pieces);
    },
    async drain(): Promise<void> {
      while (!(await source.next()).done);
    },
  };
}
