/** One file or directory of an archive. */
export interface CpioEntry {
  /** Relative, without a leading slash. */
  readonly name: string;
  readonly mode: number;
  readonly data?: Uint8Array;
}

const TRAILER = 'TRAILER!!!';

/**
 * An archive in the form `newc`, as Linux unpacks an initramfs from. Several in one file are unpacked one after another.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
 */
export function encodeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => encodeEntry(entry, index + 1));
  parts.push(...encodeEntry({ name: TRAILER, mode: 0 }, 0));
  return Buffer.concat(parts);
}

function encodeEntry(entry: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.name}\0`);
  const data = Buffer.from(entry.data ?? []);
  const links = entry.data ? 1 : 2;
  const fields = [inode, entry.mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
