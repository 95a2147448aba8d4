import { isErrno } from '../../errors/port-layer-error.js';
import type { Host } from '../../plugin/host.js';

/** A log file known by how it begins: rotation changes its name, never its first line. */
export interface LogFile {
  readonly identity: string;
}

const identityBytes = 64;
const chunkBytes = 256 * 1024;

/** The path of the `age`-th log file of a container; 0 is the one that is written to. */
export function logPath(directory: string, age: number): string {
  return age === 0 ? `${directory}/log` : `${directory}/log.${age}`;
}

/** How a log file begins; empty where there is none, or nothing in it yet. Every line begins with a time of its own. */
export async function identify(host: Host, path: string): Promise<string> {
  const head = (await readPiece(host, path, 0, identityBytes)).toString('latin1');
  const end = head.indexOf('\n');
  if (end >= 0) return head.slice(0, end + 1);
  return head.length === identityBytes ? head : '';
}

/** The age of the file that begins with `identity`, undefined where rotation has removed it. */
export async function ageOf(
  host: Host,
  directory: string,
  identity: string,
  maxAge: number,
): Promise<number | undefined> {
  for (let age = 0; age <= maxAge; age++) {
    if ((await identify(host, logPath(directory, age))) === identity) return age;
  }
  return undefined;
}

/** Bytes of the file from `offset`; undefined if the name came to mean another file meanwhile. */
export async function readOf(
  host: Host,
  directory: string,
  age: number,
  identity: string,
  offset: number,
): Promise<Buffer | undefined> {
  const path = logPath(directory, age);
  const piece = await readPiece(host, path, offset, chunkBytes);
  return (await identify(host, path)) === identity ? piece : undefined;
}

async function readPiece(host: Host, path: string, offset: number, bytes: number): Promise<Buffer> {
  try {
    return await host.files.readFrom(path, offset, bytes);
  } catch (caught) {
    if (isErrno(caught) && caught.code === 'ENOENT') return Buffer.alloc(0);
    throw caught;
  }
}
