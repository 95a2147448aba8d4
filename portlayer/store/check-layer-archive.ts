import { open } from 'node:fs/promises';

const BLOCK = 512;
/** Longer headers of pax, or names, are nobody's. */
const MOST_HEADER = 1024 * 1024;

/**
 * Looks through a packed layer before it is ever unpacked: names stay below it, devices are whiteouts, pax headers say
 * nothing but times, attributes and filling. Throws `RangeError`: the layer comes from a stranger.
 */
export async function checkLayerArchive(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size: length } = await file.stat();
    const header = Buffer.alloc(BLOCK);
    let longName: string | undefined;
    for (let at = 0; at < length; ) {
      await file.read(header, 0, BLOCK, at);
      at += BLOCK;
      if (header.every(byte => byte === 0)) return;
      const size = sizeOf(header);
      const kind = String.fromCharCode(header[156]!);
      if (at + size > length) throw new RangeError('a packed layer is cut short');
      if (kind === 'x' || kind === 'L' || kind === 'K') {
        if (size > MOST_HEADER) throw new RangeError('a packed layer has a header that is too long');
        const extra = Buffer.alloc(size);
        await file.read(extra, 0, size, at);
        if (kind === 'x') checkPax(extra);
        if (kind === 'L') longName = text(extra);
      } else {
        checkEntry(kind, longName ?? text(header.subarray(0, 100)), header);
        longName = undefined;
      }
      at += Math.ceil(size / BLOCK) * BLOCK;
    }
  } finally {
    await file.close();
  }
}

function checkEntry(kind: string, name: string, header: Buffer): void {
  if (!/^\.\//.test(name) || name.split('/').includes('..'))
    throw new RangeError('a packed layer has a name outside it');
  if (!'0125367'.includes(kind) || kind === '7')
    throw new RangeError(`a packed layer has an entry of kind ${kind}`);
  const device =
    Number.parseInt(text(header.subarray(329, 337)), 8) + Number.parseInt(text(header.subarray(337, 345)), 8);
  if (kind === '3' && device !== 0) throw new RangeError('a packed layer has a device');
}

function checkPax(records: Buffer): void {
  for (let at = 0; at < records.length; ) {
    const length = Number.parseInt(records.subarray(at, at + 12).toString('latin1'), 10);
    const record = records.subarray(at, at + length).toString('latin1');
    const key = /^\d+ ([^=]+)=/.exec(record)?.[1];
    if (!(length > 0) || key === undefined || !/^(mtime|comment|SCHILY\.xattr\..+)$/.test(key))
      throw new RangeError('a packed layer has an unknown pax header');
    at += length;
  }
}

function sizeOf(header: Buffer): number {
  const size =
    header[124]! & 0x80
      ? Number(header.readBigUInt64BE(128))
      : Number.parseInt(text(header.subarray(124, 136)), 8);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new RangeError('a size in a packed layer is out of bounds');
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('latin1');
}
