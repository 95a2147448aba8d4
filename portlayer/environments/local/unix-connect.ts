import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';

/** The longest path that fits `sun_path` with its end. Source: unix(7). */
const maxSocketPathBytes = 107;

/**
 * Connects to a unix stream socket of this machine. A path too long for the kernel is reached through
 * `/proc/self/fd` of its directory. Rejects with the errno error, or with the signal's reason.
 */
export async function connectUnix(socketPath: string, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  if (Buffer.byteLength(socketPath) <= maxSocketPathBytes) return connect(socketPath, signal);
  const directory = await open(dirname(socketPath), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await connect(pathThrough(directory, socketPath), signal);
  } finally {
    await directory.close();
  }
}

function pathThrough(directory: FileHandle, socketPath: string): string {
  return `/proc/self/fd/${directory.fd}/${basename(socketPath)}`;
}

function connect(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const onAbort = () =>
      socket.destroy(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => signal?.removeEventListener('abort', onAbort);
    socket.once('connect', () => {
      settle();
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', error => {
      settle();
      reject(error);
    });
  });
}
