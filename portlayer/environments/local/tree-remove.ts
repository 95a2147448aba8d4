import type { PathLike } from 'node:fs';
import { chmod, lstat, rmdir, unlink } from 'node:fs/promises';
import { isErrno } from '../../errors/port-layer-error.js';
import { listRaw, type RawEntry } from './raw-path.js';

/**
 * Removes a tree. Follows no links and enters no other file system: a mount point below `path` ends it with EBUSY.
 * Nothing there is success. A directory that its owner cannot enter (overlayfs leaves one) is made accessible first.
 */
export async function removeTree(path: string): Promise<void> {
  const facts = await lstatOrNothing(path);
  if (!facts) return;
  if (facts.isDirectory()) await removeDirectory(Buffer.from(path), facts.dev);
  else await unlink(path).catch(ignoreMissing);
}

async function removeDirectory(path: Buffer, device: number): Promise<void> {
  for (const entry of await entriesOf(path)) {
    if (entry.kind !== 'directory') {
      await unlinkIn(path, entry.path);
      continue;
    }
    const facts = await lstatOrNothing(entry.path);
    if (!facts) continue;
    if (facts.dev !== device) {
      const where = entry.path.toString();
      throw Object.assign(new Error(`EBUSY: something is mounted at '${where}'`), {
        code: 'EBUSY',
        path: where,
      });
    }
    await removeDirectory(entry.path, device);
  }
  await rmdir(path).catch(ignoreMissing);
}

async function entriesOf(path: Buffer): Promise<readonly RawEntry[]> {
  try {
    return await listRaw(path);
  } catch (caught) {
    if (!isErrno(caught) || caught.code !== 'EACCES') return nothingIfMissing(caught);
    await chmod(path, 0o700).catch(ignoreMissing);
    // Another removal of the same tree may have come first.
    return listRaw(path).catch(nothingIfMissing);
  }
}

function nothingIfMissing(caught: unknown): readonly RawEntry[] {
  if (isErrno(caught) && caught.code === 'ENOENT') return [];
  throw caught;
}

async function unlinkIn(directory: Buffer, path: Buffer): Promise<void> {
  try {
    await unlink(path);
  } catch (caught) {
    if (!isErrno(caught) || caught.code !== 'EACCES') return ignoreMissing(caught);
    await chmod(directory, 0o700);
    await unlink(path).catch(ignoreMissing);
  }
}

async function lstatOrNothing(path: PathLike) {
  try {
    return await lstat(path);
  } catch (caught) {
    ignoreMissing(caught);
    return undefined;
  }
}

function ignoreMissing(caught: unknown): void {
  if (isErrno(caught) && (caught.code === 'ENOENT' || caught.code === 'ENOTDIR')) return;
  throw caught;
}
