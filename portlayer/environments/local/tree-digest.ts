import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import type { TreeFacts } from '../../plugin/host.js';
import { listRaw, type RawEntry } from './raw-path.js';

const chunkBytes = 256 * 1024;

/**
 * Digest of a tree: sha256 over one record per entry, depth first in the byte order of names, and the files' contents.
 * A record is the JSON array [depth, name, kind, mode, uid, gid, size or device or link target] and a line end; bytes
 * of names stand as Latin-1. Times, link counts and extended attributes are not part of it. Follows no links.
 */
export async function digestTree(path: string, signal?: AbortSignal): Promise<TreeFacts> {
  const walk: Walk = {
    hash: createHash('sha256'),
    bytes: 0,
    entries: 0,
    signal,
    buffer: Buffer.alloc(chunkBytes),
  };
  await digestDirectory(walk, Buffer.from(path), 0);
  return { digest: `sha256:${walk.hash.digest('hex')}`, bytes: walk.bytes, entries: walk.entries };
}

interface Walk {
  readonly hash: Hash;
  readonly signal: AbortSignal | undefined;
  readonly buffer: Buffer;
  bytes: number;
  entries: number;
}

async function digestDirectory(walk: Walk, path: Buffer, depth: number): Promise<void> {
  for (const entry of await listRaw(path)) {
    walk.signal?.throwIfAborted();
    await digestEntry(walk, entry, depth);
  }
}

async function digestEntry(walk: Walk, entry: RawEntry, depth: number): Promise<void> {
  const facts = await lstat(entry.path);
  const record = (kind: string, what: string | number) => {
    const fields = [
      depth,
      entry.name.toString('latin1'),
      kind,
      facts.mode & 0o7777,
      facts.uid,
      facts.gid,
      what,
    ];
    walk.hash.update(`${JSON.stringify(fields)}\n`);
  };
  walk.entries++;
  if (facts.isDirectory()) {
    record('directory', '');
    await digestDirectory(walk, entry.path, depth + 1);
  } else if (facts.isSymbolicLink()) {
    record('symlink', (await readlink(entry.path, { encoding: 'buffer' })).toString('latin1'));
  } else if (facts.isFile()) {
    record('file', facts.size);
    walk.bytes += facts.size;
    await digestContents(walk, entry.path);
  } else {
    record(kindOf(facts.mode), facts.rdev); // A character device 0:0 is a whiteout.
  }
}

async function digestContents(walk: Walk, path: Buffer): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      walk.signal?.throwIfAborted();
      const { bytesRead } = await file.read(walk.buffer, 0, chunkBytes, null);
      if (bytesRead === 0) return;
      walk.hash.update(walk.buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

function kindOf(mode: number): string {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFCHR:
      return 'character-device';
    case constants.S_IFBLK:
      return 'block-device';
    case constants.S_IFIFO:
      return 'fifo';
    default:
      return 'socket';
  }
}
