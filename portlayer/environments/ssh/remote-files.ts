import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { SFTPWrapper } from 'ssh2';
import ssh2 from 'ssh2';
import { isErrno } from '../../errors/port-layer-error.js';
import type { Entry, Files, Host } from '../../plugin/host.js';
import { copyTreeBy } from '../process/copy-tree.js';
import { createRemoteTree } from './remote-tree.js';
import { ask, errno, lstat, type SftpCalls, withHandle } from './sftp-calls.js';

const { OPEN_MODE } = ssh2.utils.sftp;

/** What OpenSSH moves in one request. */
const pieceBytes = 32_768;
/** Requests under way at a time where a file is long. */
const pieces = 16;

/** The files of a remote host: SFTP, and the init for trees. `run` runs commands there. */
export function createRemoteFiles(sftp: SftpCalls, initBinary: () => string, run: Host['run']): Files {
  const tree = createRemoteTree(initBinary, run);

  const exists = (path: string) =>
    sftp.use(true, session => lstat(session, path).then(() => true, falseIfMissing));

  return {
    read: (path, signal) =>
      sftp.use(
        true,
        s => withHandle(s, path, OPEN_MODE.READ, {}, handle => readAll(s, path, handle)),
        signal,
      ),
    readFrom: (path, offset, maxBytes) =>
      sftp.use(true, s =>
        withHandle(s, path, OPEN_MODE.READ, {}, handle => readSome(s, path, handle, offset, maxBytes)),
      ),
    writeAtomic: (path, data, mode) => writeAtomic(sftp, path, Buffer.from(data as Uint8Array), mode),
    async writeInPlace(path, data) {
      await sftp.use(false, session =>
        withHandle(session, path, OPEN_MODE.WRITE, {}, handle =>
          writeAt(session, path, handle, Buffer.from(data), 0),
        ),
      );
    },
    makeDirectory: (path, mode) => sftp.use(true, session => makeDirectory(session, path, mode)),
    rename: (from, to) =>
      sftp.use(false, session =>
        ask<void>(from, done => session.ext_openssh_rename(from, to, caught => done(caught, undefined))),
      ),
    async remove(path) {
      const isTree = await sftp.use(true, async session => {
        const found = await lstat(session, path).catch(undefinedIfMissing);
        if (!found) return false;
        if (found.isDirectory()) return true;
        await ask<void>(path, done => session.unlink(path, caught => done(caught, undefined))).catch(
          undefinedIfMissing,
        );
        return false;
      });
      if (isTree) await tree.remove(path);
    },
    list: path => sftp.use(true, session => list(session, path)),
    exists,
    size: path =>
      sftp.use(
        true,
        async session => (await ask<{ size: number }>(path, done => session.stat(path, done))).size,
      ),
    freeBytes: path => sftp.use(true, session => freeBytes(session, path)),
    digestTree: tree.digest,
    contentDigest: tree.contentDigest,
    syncTree: tree.sync,
    copyTree: (from, to, reflink, signal) => copyTreeBy(run, from, to, reflink, signal),
  };
}

/** To the end, wherever that is: a file of /proc does not know its size. */
async function readAll(session: SFTPWrapper, path: string, handle: Buffer): Promise<Buffer> {
  const { size } = await ask<{ size: number }>(path, done => session.fstat(handle, done));
  const chunks: Buffer[] = size > pieceBytes ? [await readSome(session, path, handle, 0, size)] : [];
  let at = chunks[0]?.length ?? 0;
  for (;;) {
    const piece = await readPiece(session, path, handle, at, pieceBytes);
    if (piece.length === 0) return Buffer.concat(chunks);
    chunks.push(piece);
    at += piece.length;
    if (size > 0 && at === size && size < pieceBytes) return Buffer.concat(chunks);
  }
}

async function readSome(
  session: SFTPWrapper,
  path: string,
  handle: Buffer,
  offset: number,
  maxBytes: number,
): Promise<Buffer> {
  const found: Buffer[] = [];
  for (let at = 0; at < maxBytes; ) {
    const wanted = Array.from({ length: pieces }, (_, i) => at + i * pieceBytes).filter(
      from => from < maxBytes,
    );
    const got = await Promise.all(
      wanted.map(from =>
        readPiece(session, path, handle, offset + from, Math.min(pieceBytes, maxBytes - from)),
      ),
    );
    for (const [i, piece] of got.entries()) {
      found.push(piece);
      at += piece.length;
      if (piece.length === Math.min(pieceBytes, maxBytes - (wanted[i] as number))) continue;
      if (piece.length === 0) return Buffer.concat(found);
      break; // A short piece: what came after it lies elsewhere.
    }
  }
  return Buffer.concat(found);
}

/** Empty at the end of the file. */
function readPiece(
  session: SFTPWrapper,
  path: string,
  handle: Buffer,
  offset: number,
  bytes: number,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  return ask(path, done =>
    session.read(handle, buffer, 0, bytes, offset, (caught, read) =>
      isEnd(caught) ? done(undefined, Buffer.alloc(0)) : done(caught, buffer.subarray(0, read)),
    ),
  );
}

function isEnd(caught: unknown): boolean {
  return (caught as { code?: unknown } | undefined)?.code === ssh2.utils.sftp.STATUS_CODE.EOF;
}

async function writeAt(
  session: SFTPWrapper,
  path: string,
  handle: Buffer,
  data: Buffer,
  offset: number,
): Promise<void> {
  for (let at = 0; at < data.length || at === 0; at += pieceBytes * pieces) {
    const batch: Promise<void>[] = [];
    for (let from = at; from < Math.min(data.length, at + pieceBytes * pieces); from += pieceBytes) {
      const length = Math.min(pieceBytes, data.length - from);
      batch.push(
        ask<void>(path, done =>
          session.write(handle, data, from, length, offset + from, caught => done(caught, undefined)),
        ),
      );
    }
    await Promise.all(batch).catch(caught => noRoomOr(session, path, caught));
  }
}

/** Writing fails with the same status whatever the reason: where there is no room, that is it. */
async function noRoomOr(session: SFTPWrapper, path: string, caught: unknown): Promise<never> {
  if (isErrno(caught) && caught.code === 'EIO') {
    const free = await freeBytes(session, dirname(path)).catch(() => Infinity);
    if (free < 1024 * 1024) throw errno('ENOSPC', path, 'no space left on device');
  }
  throw caught;
}

async function writeAtomic(sftp: SftpCalls, path: string, data: Buffer, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const flags = OPEN_MODE.WRITE | OPEN_MODE.CREAT | OPEN_MODE.EXCL;
  // Twice is as once: it is the same content that comes to the same name.
  await sftp.use(true, async session => {
    try {
      await ask<void>(temporary, done => session.unlink(temporary, () => done(undefined, undefined)));
      await withHandle(session, temporary, flags, { mode }, async handle => {
        await ask<void>(path, done => session.fchmod(handle, mode, caught => done(caught, undefined)));
        await writeAt(session, temporary, handle, data, 0);
        await ask<void>(path, done => session.ext_openssh_fsync(handle, caught => done(caught, undefined)));
      });
      await ask<void>(path, done =>
        session.ext_openssh_rename(temporary, path, caught => done(caught, undefined)),
      );
    } catch (caught) {
      if (!isErrno(caught) || caught.code !== 'EXECUTOR_UNAVAILABLE') session.unlink(temporary, () => {});
      throw caught;
    }
    await syncDirectory(session, dirname(path));
  });
}

async function syncDirectory(session: SFTPWrapper, path: string): Promise<void> {
  await withHandle(session, path, OPEN_MODE.READ, {}, handle =>
    ask<void>(path, done => session.ext_openssh_fsync(handle, caught => done(caught, undefined))),
  );
}

async function makeDirectory(session: SFTPWrapper, path: string, mode: number): Promise<void> {
  const make = () =>
    ask<void>(path, done => session.mkdir(path, { mode }, caught => done(caught, undefined)));
  try {
    await make();
  } catch (caught) {
    if (!isErrno(caught)) throw caught;
    if (caught.code === 'ENOENT' && path !== '/') {
      await makeDirectory(session, dirname(path), mode);
      await make().catch(again => thereOr(session, path, again));
    } else await thereOr(session, path, caught);
  }
}

async function thereOr(session: SFTPWrapper, path: string, caught: unknown): Promise<void> {
  const found = await ask<{ isDirectory(): boolean }>(path, done => session.stat(path, done)).catch(
    undefinedIfMissing,
  );
  if (!found) await noRoomOr(session, path, caught);
  if (!found?.isDirectory()) throw errno('EEXIST', path, 'file already exists');
}

async function list(session: SFTPWrapper, path: string): Promise<readonly Entry[]> {
  const entries = await ask<{ filename: string; attrs: { mode: number } }[]>(path, done =>
    session.readdir(path, done as never),
  );
  return entries
    .filter(({ filename }) => filename !== '.' && filename !== '..')
    .map(({ filename, attrs }) => ({ name: filename, kind: kindOf(attrs.mode) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function kindOf(mode: number): Entry['kind'] {
  const format = mode & 0o170_000;
  return format === 0o100_000
    ? 'file'
    : format === 0o040_000
      ? 'directory'
      : format === 0o120_000
        ? 'symlink'
        : 'other';
}

async function freeBytes(session: SFTPWrapper, path: string): Promise<number> {
  const facts = await ask<{ f_bavail: number; f_frsize: number }>(path, done =>
    session.ext_openssh_statvfs(path, done as never),
  );
  return Number(facts.f_bavail) * Number(facts.f_frsize);
}

function falseIfMissing(caught: unknown): false {
  undefinedIfMissing(caught);
  return false;
}

function undefinedIfMissing(caught: unknown): undefined {
  if (isErrno(caught) && (caught.code === 'ENOENT' || caught.code === 'ENOTDIR')) return undefined;
  throw caught;
}
