import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SshConfig } from '../../../portlayer/environments/ssh/ssh-options.js';

/** Why nothing can be tested here, or undefined. */
export function whyNoSshd(): string | undefined {
  if (process.geteuid?.() !== 0) return 'an SSH server for other users needs root';
  if (!existsSync('/usr/sbin/sshd')) return 'openssh-server is missing: sh test/setup/packages.sh';
  return undefined;
}

/** One SSH server of the tests' own, on loopback or in a network namespace; never the machine's. */
export interface Sshd {
  readonly directory: string;
  readonly address: string;
  readonly port: number;
  /** What an environment needs to reach it. */
  readonly config: SshConfig;
  /** Pids of the processes that serve connections now. */
  sessions(): readonly number[];
  /** Ends every connection, as a host that loses its network interface does not: with the processes. */
  cut(): void;
  /** Stops the server and its connections. */
  stop(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
  /** Stops it and removes all of it. */
  remove(): Promise<void>;
}

/** How a server differs from the usual. */
export interface SshdOptions {
  /** Lines for its configuration. */
  readonly lines?: readonly string[];
  /** A command that runs it: `ip netns exec NAME`. */
  readonly inside?: readonly string[];
  readonly address?: string;
  /** Another server whose user key lets in here too. */
  readonly keyOf?: Sshd;
}

/** Starts a server with keys of its own. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const directory = mkdtempSync('/var/tmp/pl-sshd-');
  const address = options.address ?? '127.0.0.1';
  const port = await freePort();
  const path = (name: string): string => join(directory, name);
  const key = options.keyOf ? join(options.keyOf.directory, 'user') : path('user');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path('host')]);
  if (!options.keyOf) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const hostKey = readFileSync(path('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  writeFileSync(path('authorized'), readFileSync(`${key}.pub`), { mode: 0o600 });
  writeFileSync(path('known_hosts'), `[${address}]:${port} ${hostKey}\n`);
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const lines = [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${path('host')}`,
    `AuthorizedKeysFile ${path('authorized')}`,
    'PidFile none',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    // Nothing of the tester's own: a .bashrc is read for each command.
    `SetEnv HOME=${directory}`,
    'Subsystem sftp internal-sftp',
    'MaxStartups 100',
    ...(options.lines ?? []),
  ];
  writeFileSync(path('sshd_config'), `${lines.join('\n')}\n`);
  let server: ChildProcess | undefined;

  const sshd: Sshd = {
    directory,
    address,
    port,
    config: {
      host: address,
      port,
      user: 'root',
      identityFiles: [key],
      agent: false,
      knownHosts: path('known_hosts'),
      configFile: false,
    },
    sessions: () => (server?.pid === undefined ? [] : childrenOf(server.pid)),
    cut() {
      for (const pid of sshd.sessions()) killTree(pid);
    },
    async stop() {
      const stopped = server;
      if (!stopped?.pid) return;
      const gone = new Promise(resolve => stopped.once('exit', resolve));
      const sessions = sshd.sessions();
      stopped.kill('SIGKILL');
      for (const pid of sessions) killTree(pid);
      await gone;
      server = undefined;
    },
    async start() {
      const [program = '', ...args] = [
        ...(options.inside ?? []),
        '/usr/sbin/sshd',
        '-D',
        '-e',
        '-f',
        path('sshd_config'),
      ];
      server = spawn(program, args, {
        stdio: 'ignore',
      });
      if (options.inside) return untilListening(options.inside, address, port);
      await untilOpen(address, port);
    },
    async remove() {
      await sshd.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await sshd.start();
  return sshd;
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

async function untilOpen(address: string, port: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const open = await new Promise<boolean>(resolve => {
      const socket = createConnection({ host: address, port });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error(`no SSH server at ${address}:${port}`);
}

async function untilListening(inside: readonly string[], address: string, port: number): Promise<void> {
  const [program = '', ...args] = inside;
  for (let tries = 0; tries < 600; tries++) {
    if (execFileSync(program, [...args, 'ss', '-Hltn'], { encoding: 'utf8' }).includes(`${address}:${port} `))
      return;
    await sleep(50);
  }
  throw new Error(`no SSH server at ${address}:${port}`);
}

function childrenOf(pid: number): readonly number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) found.push(Number(name));
    } catch {
      // It has ended.
    }
  }
  return found;
}

/** A session's process and, for a user who is not root, the one below it. */
function killTree(pid: number): void {
  for (const child of childrenOf(pid)) {
    if (isSshd(child)) killTree(child);
  }
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function isSshd(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sshd');
  } catch {
    return false;
  }
}
