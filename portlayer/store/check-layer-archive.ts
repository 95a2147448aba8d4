import { open } from 'node:fs/promises';

const BLOCK = 512;
/** Longer headers of pax, or names, are nobody's. */
const MOST_HEADER = 1024 * 1024;

/** Names that an archive has as links, so that nothing is unpacked through one of them. */
type Links = Set<string>;

/**
 * Looks through a packed layer before it is ever unpacked: names and hard links stay below it, none leads through a link
 * of the archive, devices are whiteouts, only files have content (tar takes what follows another entry for the next
 * one), pax headers say nothing but times, attributes and filling. Throws `RangeError`: the layer comes from a stranger.
 */
export async function checkLayerArchive(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size: length } = await file.stat();
    const header = Buffer.alloc(BLOCK);
    const links: Links = new Set();
    let longName: string | undefined;
    let longTarget: string | undefined;
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
        if (kind === 'K') longTarget = text(extra);
      } else {
        if (size > 0 && kind !== '0') throw new RangeError('a packed layer has content where none belongs');
        const name = longName ?? text(header.subarray(0, 100));
        checkEntry(kind, name, header, links);
        if (kind === '1') checkHardLink(name, longTarget ?? text(header.subarray(157, 257)), links);
        longName = undefined;
        longTarget = undefined;
      }
      at += Math.ceil(size / BLOCK) * BLOCK;
    }
  } finally {
    await file.close();
  }
}

function checkEntry(kind: string, name: string, header: Buffer, links: Links): void {
  // The prefix of ustar: tar would put it before the name.
  if (header[345] !== 0) throw new RangeError('a packed layer has a name in two parts');
  checkName(name, links);
  if (!'012356'.includes(kind)) throw new RangeError(`a packed layer has an entry of kind ${kind}`);
  const device =
    Number.parseInt(text(header.subarray(329, 337)), 8) + Number.parseInt(text(header.subarray(337, 345)), 8);
  if (kind === '3' && device !== 0) throw new RangeError('a packed layer has a device');
  if (kind === '2') links.add(plain(name));
}

/** A hard link to a link is one more link. */
function checkHardLink(name: string, target: string, links: Links): void {
  checkName(target, links);
  if (links.has(plain(target))) links.add(plain(name));
}

function checkName(name: string, links: Links): void {
  if (!name.startsWith('./') || name.split('/').includes('..'))
    throw new RangeError('a packed layer has a name outside it');
  const names = plain(name).split('/');
  for (let depth = 1; depth < names.length; depth++)
    if (links.has(names.slice(0, depth).join('/')))
      throw new RangeError('a packed layer has a name that leads through a link');
}

/** A name without its empty parts and those that say `here`. */
function plain(name: string): string {
  return name
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/');
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
