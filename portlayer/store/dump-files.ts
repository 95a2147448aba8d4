import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of a dump. */
export interface DumpFile {
  readonly bytes: number;
}

/** Paths of the files below a directory, relative to it and sorted. The manifest is none of them. */
async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter(path => path !== 'manifest.json')
    .sort();
}

/** What the files of a dump take on disk: a machine's memory is mostly holes. */
export async function weighFiles(directory: string): Promise<Readonly<Record<string, number>>> {
  const sizes: Record<string, number> = {};
  for (const path of await filesBelow(directory)) {
    const { size, blocks } = await stat(join(directory, path));
    sizes[path] = Math.min(size, blocks * 512);
  }
  return sizes;
}

/**
 * Syncs each file, then the directories that name them. Contents are not digested: that would read
 * half a gigabyte again beside the next dump. A restore compares the sizes.
 */
export async function sealFiles(directory: string): Promise<Readonly<Record<string, DumpFile>>> {
  const sealed: Record<string, DumpFile> = {};
  for (const path of await filesBelow(directory)) {
    const file = await open(join(directory, path), 'r');
    try {
      sealed[path] = { bytes: (await file.stat()).size };
      await file.sync();
    } finally {
      await file.close();
    }
  }
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  for (const entry of entries)
    if (entry.isDirectory()) await syncDirectory(join(entry.parentPath, entry.name));
  return sealed;
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The files whose size is not the one that was recorded, or that are gone, each with both sizes. */
export async function changedFiles(
  directory: string,
  recorded: Readonly<Record<string, DumpFile>>,
): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const [path, { bytes }] of Object.entries(recorded)) {
    const size = await stat(join(directory, path)).then(
      found => found.size,
      () => undefined,
    );
    if (size === undefined) changed.push(`${path} is gone`);
    else if (size !== bytes) changed.push(`${path}: ${size} bytes instead of ${bytes}`);
  }
  return changed;
}
