import { chmod, chown, mkdir, open, readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors/port-layer-error.js';
import type { FileOwner } from './manifest.js';

/** A file of a dump. */
export interface DumpFile {
  readonly bytes: number;
}

/** A file or directory of a dump as it stands on disk. */
export interface DumpEntry extends DumpFile {
  /** Relative to the dump's directory, which is `.` itself. */
  readonly path: string;
  readonly owner: FileOwner;
}

/** The files of a dump and its directories, each sorted by path. Whatever else is in it is no part of the image. */
export async function listDump(
  directory: string,
): Promise<{ readonly files: readonly DumpEntry[]; readonly directories: readonly DumpEntry[] }> {
  const files: DumpEntry[] = [];
  const directories: DumpEntry[] = [await entryOf(directory, '.')];
  const below = async (path: string): Promise<void> => {
    const entries = await readdir(join(directory, path), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isFile()) files.push(await entryOf(directory, name));
      if (!entry.isDirectory()) continue;
      directories.push(await entryOf(directory, name));
      await below(name);
    }
  };
  await below('');
  return { files, directories };
}

async function entryOf(directory: string, path: string): Promise<DumpEntry> {
  const { size, mode, uid, gid, mtimeNs } = await stat(join(directory, path), { bigint: true });
  const owner = { mode: Number(mode) & 0o777, uid: Number(uid), gid: Number(gid), mtimeNs: String(mtimeNs) };
  return { path, bytes: Number(size), owner };
}

/** Makes the directories of a dump that is to be read back, for this user alone. */
export async function makeDumpDirectories(directory: string, paths: readonly string[]): Promise<void> {
  for (const path of [...paths].sort()) await mkdir(join(directory, path), { recursive: true, mode: 0o700 });
}

/** Gives entries of a dump that was read back the owners and times they had. Other owners than this user take root. */
export async function giveBack(
  directory: string,
  owners: Readonly<Record<string, FileOwner>>,
): Promise<void> {
  // What is deeper first: a directory's time changes with what is done in it.
  for (const [path, owner] of Object.entries(owners).sort(([a], [b]) => depth(b) - depth(a))) {
    const where = join(directory, path);
    await chmod(where, owner.mode & 0o777);
    if (process.getuid?.() === 0) await chown(where, owner.uid, owner.gid);
    const seconds = Number(owner.mtimeNs) / 1e9;
    await utimes(where, seconds, seconds);
  }
}

function depth(path: string): number {
  return path === '.' ? 0 : path.split('/').length;
}

/** What the files of a dump take on disk: a machine's memory is mostly holes. */
export async function weighFiles(directory: string): Promise<Readonly<Record<string, number>>> {
  const sizes: Record<string, number> = {};
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  for (const entry of entries.filter(each => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const { size, blocks } = await stat(path);
    sizes[path.slice(directory.length + 1)] = Math.min(size, blocks * 512);
  }
  return sizes;
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
    const size = await sizeOrNothing(join(directory, path));
    if (size === undefined) changed.push(`${path} is gone`);
    else if (size !== bytes) changed.push(`${path}: ${size} bytes instead of ${bytes}`);
  }
  return changed;
}

async function sizeOrNothing(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (caught) {
    if (isErrno(caught)) return undefined;
    throw caught;
  }
}
