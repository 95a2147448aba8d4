import type { Dirent } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readFile, rename, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../../errors/port-layer-error.js';
import type { Entry, Files } from '../../plugin/host.js';
import { copyTree } from './tree-copy.js';
import { digestTree } from './tree-digest.js';
import { removeTree } from './tree-remove.js';
import { syncPath, syncTree } from './tree-sync.js';

let temporaries = 0;

/** The files of this machine. */
export const localFiles: Files = {
  read: (path, signal) => readFile(path, signal ? { signal } : {}),
  readFrom,
  writeAtomic,
  writeInPlace,
  async makeDirectory(path, mode) {
    const made = await mkdir(path, { recursive: true, mode });
    // Whatever the umask says: a service's is 077, and others (QEMU's user) must enter some directories.
    if (made !== undefined) await chmod(path, mode);
  },
  rename,
  remove: removeTree,
  async list(path) {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.map(describe).sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  async exists(path) {
    try {
      await lstat(path);
      return true;
    } catch (caught) {
      if (isErrno(caught) && (caught.code === 'ENOENT' || caught.code === 'ENOTDIR')) return false;
      throw caught;
    }
  },
  size: async path => (await stat(path)).size,
  async freeBytes(path) {
    const facts = await statfs(path);
    return facts.bavail * facts.bsize;
  },
  digestTree,
  syncTree,
  copyTree,
};

async function readFrom(path: string, offset: number, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(maxBytes);
    const { bytesRead } = await file.read(buffer, 0, maxBytes, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function writeAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number,
  { durable = true }: { readonly durable?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.${++temporaries}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode); // Whatever the umask says.
      await file.writeFile(data);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (caught) {
    await removeTree(temporary).catch(() => {});
    throw caught;
  }
  if (durable) await syncPath(dirname(path));
}

async function writeInPlace(path: string, data: string): Promise<void> {
  const file = await open(path, 'r+').catch((caught: unknown) => {
    // A knob may be write-only.
    if (isErrno(caught) && caught.code === 'EACCES') return open(path, 1);
    throw caught;
  });
  try {
    await file.write(data, 0);
  } finally {
    await file.close();
  }
}

function describe(entry: Dirent): Entry {
  const kind = entry.isFile()
    ? 'file'
    : entry.isDirectory()
      ? 'directory'
      : entry.isSymbolicLink()
        ? 'symlink'
        : 'other';
  return { name: entry.name, kind };
}
