import { constants } from 'node:os';
import type { Client, InputAttributes, SFTPWrapper, Stats } from 'ssh2';
import ssh2 from 'ssh2';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { cut, type KeptConnection } from './keep-connection.js';

const { STATUS_CODE } = ssh2.utils.sftp;

/** What an SFTP session can be asked, each with Node's errno errors. A link that is lost is EXECUTOR_UNAVAILABLE. */
export interface SftpCalls {
  /** Asks on the session of the connection as it is now. `again` where it may be asked twice: it waits for a lost link and does so. */
  use<T>(again: boolean, work: (sftp: SFTPWrapper) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** SFTP over a kept connection: one session for each connection, made when it is first asked. */
export function createSftpCalls(connection: KeptConnection): SftpCalls {
  const made = new WeakMap<Client, Promise<SFTPWrapper>>();

  function sessionOf(client: Client): Promise<SFTPWrapper> {
    const known = made.get(client);
    if (known) return known;
    const opening = new Promise<SFTPWrapper>((resolve, reject) => {
      client.once('close', () => reject(cut()));
      try {
        client.sftp((caught, sftp) => (caught ? reject(noSftp(caught)) : resolve(sftp)));
      } catch {
        reject(cut()); // It was lost this moment.
      }
    });
    opening.then(
      sftp => {
        sftp.setMaxListeners(0); // Each request under way listens for the end.
        sftp.on('error', () => {});
        sftp.once('close', () => made.delete(client));
      },
      () => made.delete(client),
    );
    made.set(client, opening);
    return opening;
  }

  async function once<T>(client: Client, work: (sftp: SFTPWrapper) => Promise<T>): Promise<T> {
    const sftp = await sessionOf(client);
    let lost: () => void = () => {};
    const gone = new Promise<never>((_, reject) => {
      lost = () => reject(cut());
      sftp.once('close', lost);
    });
    try {
      return await Promise.race([work(sftp), gone]);
    } finally {
      sftp.off('close', lost);
    }
  }

  return {
    async use(again, work, signal) {
      for (;;) {
        const client = await connection.client(signal);
        try {
          return await once(client, work);
        } catch (caught) {
          if (!again || !isCut(caught)) throw caught;
          await new Promise(resolve => setImmediate(resolve));
        }
      }
    },
  };
}

/** One request whose callback brings an error or a value. `path` is told in the error. */
export function ask<T>(path: string, begin: (done: (caught: unknown, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      begin((caught, value) => (caught ? reject(errnoOf(caught, path)) : resolve(value)));
    } catch (caught) {
      reject(errnoOf(caught, path));
    }
  });
}

/** Attributes of a path, its link not followed. */
export function lstat(sftp: SFTPWrapper, path: string): Promise<Stats> {
  return ask(path, done => sftp.lstat(path, done));
}

/** Opens a file, works with its handle, and closes it. */
export async function withHandle<T>(
  sftp: SFTPWrapper,
  path: string,
  flags: number,
  attributes: InputAttributes,
  work: (handle: Buffer) => Promise<T>,
): Promise<T> {
  // The library's type wants a word for the flags, its code takes the number as well.
  const handle = await ask<Buffer>(path, done => sftp.open(path, flags as unknown as 'r', attributes, done));
  try {
    return await work(handle);
  } finally {
    await ask<void>(path, done => sftp.close(handle, caught => done(caught, undefined))).catch(() => {});
  }
}

/** A status of the protocol as the errno that the server had, as far as it can be known. Source: sftp-server.c, errno_to_portable. */
function errnoOf(caught: unknown, path: string): Error {
  const status = (caught as { code?: unknown }).code;
  const message = caught instanceof Error ? caught.message : String(caught);
  if (typeof status !== 'number')
    return caught instanceof Error && !/No response|not connected|closed/i.test(message) ? caught : cut();
  const name =
    status === STATUS_CODE.NO_SUCH_FILE
      ? 'ENOENT'
      : status === STATUS_CODE.PERMISSION_DENIED
        ? 'EACCES'
        : status === STATUS_CODE.BAD_MESSAGE
          ? 'EINVAL'
          : status === STATUS_CODE.OP_UNSUPPORTED
            ? 'ENOTSUP'
            : status === STATUS_CODE.CONNECTION_LOST || status === STATUS_CODE.NO_CONNECTION
              ? undefined
              : 'EIO';
  return name === undefined ? cut() : errno(name, path, message);
}

/** An error like Node's own. */
export function errno(name: keyof typeof constants.errno | string, path: string, message: string): Error {
  const number = constants.errno[name as keyof typeof constants.errno] ?? 0;
  return Object.assign(new Error(`${name}: ${message}, '${path}'`), { code: name, errno: -number, path });
}

function isCut(caught: unknown): boolean {
  return caught instanceof PortLayerError && caught.facts.reason === 'cut';
}

function noSftp(caught: Error): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The host has no SFTP.', {
    required: 'the subsystem sftp of its SSH server',
    found: caught.message,
    remedy: 'Add to its sshd_config: Subsystem sftp internal-sftp',
    facts: { reason: 'sftp' },
    cause: caught,
  });
}
