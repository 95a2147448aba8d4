import { constants, type PathLike } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { listRaw } from './raw-path.js';

/** Makes one file or directory durable. */
export async function syncPath(path: PathLike): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a tree durable: its files and directories from the leaves up, then the directory that names it. */
export async function syncTree(path: string, signal?: AbortSignal): Promise<void> {
  await syncDirectory(Buffer.from(path), signal);
  await syncPath(dirname(path));
}

async function syncDirectory(path: Buffer, signal: AbortSignal | undefined): Promise<void> {
  for (const entry of await listRaw(path)) {
    signal?.throwIfAborted();
    if (entry.kind === 'directory') await syncDirectory(entry.path, signal);
    else if (entry.kind === 'file') await syncPath(entry.path);
    // Links, whiteouts and devices are made durable with the directory that names them.
  }
  await syncPath(path);
}
