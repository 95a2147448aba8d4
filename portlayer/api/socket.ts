import { chmod, chown, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { isErrno, PortLayerError } from '../errors/port-layer-error.js';

/** `sun_path` holds 107 characters and a NUL; the private directory that the socket is made in needs 12 of them. Source: unix(7). */
const MAX_PATH = 95;
/** How long a service may take to accept before its socket counts as dead. */
const PROBE_MS = 1000;

/** The file of a unix socket. */
export interface SocketFile {
  /** Absolute, at most 95 characters. */
  readonly path: string;
  /** Default 0600: only the user that runs the service. */
  readonly mode?: number;
  /** The group that the file is given to. Default: the service's own. */
  readonly gid?: number;
}

/** Takes the socket away again, unless another service has put its own in its place. */
export type Unlisten = () => Promise<void>;

/**
 * Listens on a unix socket that never has a wrong mode: it is made in a directory of mode 0700, gets its mode there and
 * is then renamed. The file of a dead service is replaced; a live one's is refused with WRONG_STATE.
 *
 * @param bind listens on the path it is given
 */
export async function listenOn(
  listener: SocketFile,
  bind: (path: string) => Promise<void>,
): Promise<Unlisten> {
  const { path, mode = 0o600, gid } = listener;
  checkLength(path);
  const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A socket for others in a directory that only this user can enter would be for nobody.
  if (made !== undefined && (mode & 0o066) !== 0) await chmod(dirname(path), 0o755);
  await refuseLive(path);
  const directory = await mkdtemp(join(dirname(path), '.s-'));
  try {
    const temporary = join(directory, 's');
    await bind(temporary);
    if (gid !== undefined) await chown(temporary, -1, gid);
    await chmod(temporary, mode);
    await rename(temporary, path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const { ino } = await lstat(path);
  return async () => {
    const there = await lstat(path).catch(() => undefined);
    if (there?.ino === ino) await rm(path, { force: true });
  };
}

function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (path.startsWith('/') && bytes <= MAX_PATH) return;
  throw new PortLayerError('INVALID_SPEC', 'The socket cannot be made at this path.', {
    required: `an absolute path of at most ${MAX_PATH} bytes`,
    found: `${path} (${bytes} bytes)`,
    remedy: 'Choose a shorter one: portlayer serve --listen unix:/run/portlayer.sock',
    facts: { field: 'listen' },
  });
}

async function refuseLive(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket())
    throw occupied(path, 'a file that is not a socket', 'Remove it, or choose another path.');
  if (await answers(path)) {
    throw occupied(path, 'a running service', 'Use that service, or stop it first, or choose another path.');
  }
}

function occupied(path: string, found: string, remedy: string): PortLayerError {
  const required = 'no file, or the socket of a service that is gone';
  return new PortLayerError('WRONG_STATE', `${path} is in use.`, {
    required,
    found,
    remedy,
    facts: { path },
  });
}

/** True where somebody accepts, or where it cannot be told: a socket in doubt is not taken away. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path);
    const settle = (alive: boolean) => {
      probe.destroy();
      resolve(alive);
    };
    probe.setTimeout(PROBE_MS, () => settle(true));
    probe.once('connect', () => settle(true));
    probe.once('error', error =>
      settle(!(isErrno(error) && (error.code === 'ECONNREFUSED' || error.code === 'ENOENT'))),
    );
  });
}
