import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readlink, realpath } from 'node:fs/promises';
import { listRaw } from './raw-path.js';

/** Digests of files and trees that people change now and then: what was read once is read again only where it may have changed. */
export interface ContentDigests {
  /**
   * `sha256:` and 64 hex digits over names, kinds, modes, owners, link targets and contents of a file or a tree. A file
   * counts as unchanged while device, inode, size, and times of content and inode stay: the kernel sets the last
   * itself. Rejects with Node's errno errors; a tree that changes meanwhile has some digest of that time.
   */
  digest(path: string, signal?: AbortSignal): Promise<string>;
}

/** So many files are remembered; beyond, those that were asked for longest ago go. */
const MOST_FILES = 200_000;
/** Times of files are as coarse as the kernel's clock tick, 10 ms at most; the rest is margin. */
const TICK_MS = 100;
/** So many files are looked at together: more only waits for the thread pool. */
const AT_ONCE = 16;

/** Digests with a memory of their own. */
export function createContentDigests(): ContentDigests {
  const known = new Map<string, string>();

  async function ofFile(
    path: Buffer,
    stamp: string,
    changedMs: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const before = known.get(stamp);
    if (before !== undefined) {
      known.delete(stamp);
      known.set(stamp, before);
      return before;
    }
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path, {
      ...(signal ? { signal } : {}),
      highWaterMark: 1 << 20,
    }))
      hash.update(chunk as Buffer);
    const digest = hash.digest('hex');
    // What changed a moment ago may change again within one tick of the file system's clock.
    if (Date.now() - changedMs < TICK_MS) return digest;
    known.set(stamp, digest);
    for (const [oldest] of known) {
      if (known.size <= MOST_FILES) break;
      known.delete(oldest);
    }
    return digest;
  }

  /** One line for an entry; a directory's has the digest of its entries' lines. */
  async function line(path: Buffer, name: string, signal: AbortSignal | undefined): Promise<string> {
    signal?.throwIfAborted();
    const facts = await lstat(path, { bigint: true });
    const record = (kind: string, what: string) =>
      `${JSON.stringify([name, kind, Number(facts.mode & 0o7777n), Number(facts.uid), Number(facts.gid), what])}\n`;
    if (facts.isSymbolicLink())
      return record('symlink', (await readlink(path, { encoding: 'buffer' })).toString('latin1'));
    if (facts.isFile()) {
      const stamp = [facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join(':');
      return record('file', await ofFile(path, stamp, Number(facts.ctimeMs), signal));
    }
    if (!facts.isDirectory()) return record('other', `${facts.mode >> 12n} ${facts.rdev}`);
    const entries = await listRaw(path);
    const hash = createHash('sha256');
    for (let from = 0; from < entries.length; from += AT_ONCE) {
      const lines = entries
        .slice(from, from + AT_ONCE)
        .map(entry => line(entry.path, entry.name.toString('latin1'), signal));
      for (const each of await Promise.all(lines)) hash.update(each);
    }
    return record('directory', hash.digest('hex'));
  }

  return {
    async digest(path, signal) {
      // The name by which it is asked for is no part of what it is.
      const text = await line(Buffer.from(await realpath(path)), '', signal);
      return `sha256:${createHash('sha256').update(text).digest('hex')}`;
    },
  };
}
