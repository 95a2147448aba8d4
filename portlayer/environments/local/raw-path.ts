import { readdir } from 'node:fs/promises';

/** One entry of a directory, its name as the bytes it is: a task may choose names that are no UTF-8. */
export interface RawEntry {
  readonly name: Buffer;
  readonly path: Buffer;
  readonly kind: 'file' | 'directory' | 'other';
}

const slash = Buffer.from('/');

/** The entries of a directory in the byte order of their names. Follows no links. */
export async function listRaw(directory: Buffer): Promise<readonly RawEntry[]> {
  const entries = await readdir(directory, { withFileTypes: true, encoding: 'buffer' });
  return entries
    .map(entry => ({
      name: entry.name,
      path: Buffer.concat([directory, slash, entry.name]),
      kind: entry.isDirectory()
        ? ('directory' as const)
        : entry.isFile()
          ? ('file' as const)
          : ('other' as const),
    }))
    .sort((a, b) => Buffer.compare(a.name, b.name));
}
