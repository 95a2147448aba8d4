import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Client, SFTPWrapper } from 'ssh2';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { runBare } from './bare-command.js';
import { holdLease } from './hold-lease.js';
import { ask } from './sftp-calls.js';
import type { SshConfig } from './ssh-options.js';

/** What is known of a host once a connection to it was prepared. */
export interface PreparedHost {
  readonly uid: number;
  readonly gid: number;
  readonly stateDirectory: string;
  readonly initBinary: string;
}

/** What it is prepared with. */
export interface PrepareOptions {
  readonly name: string;
  readonly config: SshConfig;
  /** The init on this machine; it is uploaded. */
  readonly initBinary: string;
  /** Who works there: the service's id. */
  readonly owner: string;
}

/** The longest state directory, in bytes: a container's sockets lie 60 bytes below it and a socket's path has 107. Source: unix(7). */
const LONGEST_STATE_DIRECTORY = 47;

/**
 * Makes a host ready: the state directory (0700, ours), the init in it (uploaded once, known by its digest, tried), the
 * lease. Throws EXECUTOR_UNAVAILABLE with the reason.
 */
export async function prepareHost(client: Client, options: PrepareOptions): Promise<PreparedHost> {
  const who = await runBare(client, [
    'sh',
    '-c',
    'printf "\\n%s\\n" portlayer; id -u; id -g; uname -m; printf "%s\\n" "$HOME"',
  ]);
  const [uid = '', gid = '', machine = '', home = ''] = afterMark(who.stdout);
  if (who.code !== 0 || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) {
    throw unfit(options, 'no-shell', 'a login that runs commands', who.stderr.trim() || who.stdout.trim());
  }
  const stateDirectory =
    options.config.stateDirectory ?? (uid === '0' ? '/var/lib/portlayer-ssh' : `${home}/.portlayer`);
  if (Buffer.byteLength(stateDirectory) > LONGEST_STATE_DIRECTORY || !stateDirectory.startsWith('/')) {
    throw unfit(
      options,
      'state-directory',
      `a state directory of at most ${LONGEST_STATE_DIRECTORY} bytes`,
      stateDirectory,
    );
  }
  const made = await runBare(client, [
    'sh',
    '-c',
    'umask 077; mkdir -p -- "$1/bin" && test -O "$1" && chmod 700 -- "$1" && cd -- "$1" && pwd -P',
    'sh',
    stateDirectory,
  ]);
  if (made.code !== 0) {
    throw unfit(
      options,
      'state-directory',
      `${stateDirectory} of the user's own`,
      made.stderr.trim() || "another's",
    );
  }
  const initBinary = await uploadInit(client, options, stateDirectory, machine);
  await holdLease(client, { ...options, initBinary, file: `${stateDirectory}/lease` });
  return { uid: Number(uid), gid: Number(gid), stateDirectory, initBinary };
}

/** The lines after ours: the start of a login shell may say something before. */
function afterMark(text: string): readonly string[] {
  const lines = text.split('\n');
  return lines.slice(lines.indexOf('portlayer') + 1);
}

async function uploadInit(
  client: Client,
  options: PrepareOptions,
  stateDirectory: string,
  machine: string,
): Promise<string> {
  const binary = await readFile(options.initBinary);
  const digest = createHash('sha256').update(binary).digest('hex');
  const path = `${stateDirectory}/bin/portlayer-init-${digest.slice(0, 16)}`;
  if (!(await hasDigest(client, path, digest))) {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    const sftp = await ask<SFTPWrapper>(path, done =>
      client.sftp((caught, session) => done(caught, session)),
    );
    try {
      await ask<void>(path, done =>
        sftp.writeFile(temporary, binary, { mode: 0o700 }, caught => done(caught, undefined)),
      );
      await ask<void>(path, done => sftp.chmod(temporary, 0o755, caught => done(caught, undefined)));
      if (!(await hasDigest(client, temporary, digest)))
        throw new Error('its digest is another after the upload');
      await ask<void>(path, done =>
        sftp.ext_openssh_rename(temporary, path, caught => done(caught, undefined)),
      );
    } catch (caught) {
      sftp.unlink(temporary, () => {});
      if (caught instanceof PortLayerError) throw caught;
      throw unfit(options, 'upload', `room for the init in ${stateDirectory}`, String(caught));
    } finally {
      sftp.end();
    }
  }
  const version = await runBare(client, [path, 'version']);
  if (version.code === 0) return path;
  throw unfit(
    options,
    'init',
    `a host of this machine's kind that runs programs below ${stateDirectory}`,
    `${machine}: ${version.stderr.trim() || `exit code ${version.code}`}`,
  );
}

async function hasDigest(client: Client, path: string, digest: string): Promise<boolean> {
  const done = await runBare(client, ['sha256sum', '--', path]);
  return done.code === 0 && done.stdout.includes(digest);
}

function unfit(options: PrepareOptions, reason: string, required: string, found: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The host ${options.name} cannot be worked on.`, {
    required,
    found: found.slice(0, 500),
    remedy: 'Make it so on that host, or correct the configuration of the environment.',
    facts: { host: options.name, reason },
  });
}
