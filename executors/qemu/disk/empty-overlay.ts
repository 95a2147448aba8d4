/** What an overlay stands on. */
export interface Below {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

const CLUSTER_BITS = 16;
const CLUSTER = 2 ** CLUSTER_BITS;
/** So much of a disk does one entry of the first table stand for: a table of the second level is one cluster of 8-byte entries. */
const BYTES_PER_ENTRY = CLUSTER * (CLUSTER / 8);
const HEADER_BYTES = 104;
const BACKING_FORMAT = 0xe2792aca;
const END = 0;

/** The largest disk whose first table fits into one cluster: 4 TiB. */
export const MAX_OVERLAY_BYTES = BYTES_PER_ENTRY * (CLUSTER / 8);

/**
 * An empty qcow2 file on `below`, as `qemu-img create` makes it: header, reference counts of its own four clusters, and
 * a first table of nothing. Written by ourselves, since a process for each copy of a machine took a tenth of its fork.
 * Source: QEMU's docs/interop/qcow2.txt, version 3. Pure.
 *
 * @param bytes size of the disk: a multiple of 512, at most {@link MAX_OVERLAY_BYTES}
 */
export function emptyOverlay(below: Below, bytes: number): Buffer {
  const name = Buffer.from(below.path);
  const file = Buffer.alloc(4 * CLUSTER);
  const [countsTable, counts, table] = [CLUSTER, 2 * CLUSTER, 3 * CLUSTER];
  const extensions = extension(BACKING_FORMAT, Buffer.from(below.format));
  const nameAt = HEADER_BYTES + extensions.length + 8;
  if (name.length > 1023 || nameAt + name.length > CLUSTER || bytes > MAX_OVERLAY_BYTES)
    throw new Error(`no overlay of ${bytes} bytes on ${below.path}`);

  file.write('QFI\xfb', 'latin1');
  file.writeUInt32BE(3, 4); // version
  file.writeBigUInt64BE(BigInt(nameAt), 8);
  file.writeUInt32BE(name.length, 16);
  file.writeUInt32BE(CLUSTER_BITS, 20);
  file.writeBigUInt64BE(BigInt(bytes), 24);
  file.writeUInt32BE(0, 32); // not encrypted
  file.writeUInt32BE(Math.ceil(bytes / BYTES_PER_ENTRY), 36);
  file.writeBigUInt64BE(BigInt(table), 40);
  file.writeBigUInt64BE(BigInt(countsTable), 48);
  file.writeUInt32BE(1, 56); // clusters of the table of counts
  file.writeUInt32BE(4, 96); // counts are of 2^4 bits
  file.writeUInt32BE(HEADER_BYTES, 100);
  extensions.copy(file, HEADER_BYTES);
  extension(END, Buffer.alloc(0)).copy(file, HEADER_BYTES + extensions.length);
  name.copy(file, nameAt);
  file.writeBigUInt64BE(BigInt(counts), countsTable);
  for (let cluster = 0; cluster < 4; cluster++) file.writeUInt16BE(1, counts + 2 * cluster);
  return file;
}

function extension(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
}

/** The size of the disk that a qcow2 file holds, from its first 32 bytes; undefined where they are no header. */
export function overlayBytes(header: Buffer): number | undefined {
  if (header.length < 32 || header.toString('latin1', 0, 4) !== 'QFI\xfb') return undefined;
  return Number(header.readBigUInt64BE(24));
}
