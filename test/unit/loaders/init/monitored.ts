import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
/** Sources of the init. */
export const initSource = join(root, 'loaders/init');
/** The binary under test; built by {@link build}. */
export const binary = join(initSource, 'build/portlayer-init');

/** Builds the init; call it in `before`. */
export function build(): void {
  execFileSync(join(initSource, 'build.sh'), { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Compiles a C program of this folder into a new directory that everyone may read; its path. */
export function compile(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-c-'));
  chmodSync(directory, 0o755);
  const output = join(directory, name);
  execFileSync('cc', ['-o', output, join(dirname(fileURLToPath(import.meta.url)), `${name}.c`)]);
  return output;
}

/** How a container is isolated, and as whom. */
export type Place = 'root' | 'unprivileged' | 'no namespaces';

const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
const isRoot = process.getuid?.() === 0;

/** What comes before a command so that it runs in the place. */
export function isolation(place: Place): string[] {
  const namespaces = ['--mount', '--uts', '--ipc', '--pid', '--fork'];
  if (place === 'root') return ['unshare', ...namespaces];
  if (place === 'unprivileged') return ['unshare', '--user', '--map-root-user', ...namespaces];
  return [];
}

/** Who starts the monitor in the place. */
export function starter(place: Place): string[] {
  return place === 'unprivileged' && isRoot ? asNobody : [];
}

/** Why this machine cannot give the place, or undefined. */
export function whyNot(place: Place): string | undefined {
  if (place === 'no namespaces') return undefined;
  if (place === 'root' && !isRoot) return 'not root';
  const [command, ...rest] = [...starter(place), ...isolation(place), 'true'];
  const tried = spawnSync(command!, rest, { encoding: 'utf8' });
  return tried.status === 0 ? undefined : `no namespaces to be had: ${tried.stderr?.trim() ?? tried.error}`;
}

/** A protocol line in its parts. */
export interface Said {
  readonly text: string;
  readonly word: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Reads a line as the service does; a `GUEST` line's word is the guest's. */
export function parse(text: string): Said {
  const [word, ...fields] = text
    .replace(/^GUEST /, '')
    .trimEnd()
    .split(' ');
  const pairs = fields.map(field => [
    field.slice(0, field.indexOf('=')),
    decodeURIComponent(field.slice(field.indexOf('=') + 1)),
  ]);
  return { text, word: word!, values: Object.fromEntries(pairs) };
}

/** One connection to a monitor's control.sock, or to any socket that speaks lines. */
export class Control implements Disposable {
  readonly said: Said[] = [];
  ended = false;
  #rest = '';
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
    });
    socket.on('data', (chunk: string) => {
      const lines = (this.#rest + chunk).split('\n');
      this.#rest = lines.pop()!;
      this.said.push(...lines.map(parse));
    });
  }

  static async to(path: string): Promise<Control> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Control(socket);
  }

  /** Takes the oldest line with this word that was not taken yet. */
  async next(word: string, timeoutMs = 8000): Promise<Said> {
    const found = await until(
      () => {
        const index = this.said.findIndex(said => said.word === word);
        return index < 0 ? undefined : this.said.splice(index, 1)[0];
      },
      timeoutMs,
      () => `no ${word} came; there is: ${this.said.map(said => said.text).join(' | ')}`,
    );
    return found;
  }

  async end(): Promise<void> {
    await until(
      () => (this.ended ? true : undefined),
      8000,
      () => 'the connection stays open',
    );
  }

  send(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  raw(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Polls until there is a value. */
export async function until<T>(
  look: () => T | undefined,
  timeoutMs: number,
  complaint: () => string,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(complaint());
    await sleep(10);
  }
}

/** How to start one container under a monitor. */
export interface Start {
  readonly place?: Place;
  /** The task. `$I` is the init's binary, `$D` the directory. */
  readonly script: string;
  readonly init?: readonly string[];
  readonly monitor?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Further options of unshare. */
  readonly isolate?: readonly string[];
  /** The task's command, instead of `sh -c script`. */
  readonly argv?: readonly string[];
  /** Runs the starter this way, instead of waiting for it. */
  readonly launch?: (command: string, argv: readonly string[], env: NodeJS.ProcessEnv) => void;
}

/** A monitored container in a directory of its own; disposing ends it by pid and removes the directory. */
export class Monitored implements AsyncDisposable {
  readonly directory: string;
  readonly place: Place;

  constructor(place: Place) {
    this.place = place;
    this.directory = mkdtempSync(join(tmpdir(), 'portlayer-init-'));
    if (place === 'unprivileged' && isRoot) chownSync(this.directory, 65534, 65534);
  }

  /** Starts the monitor and returns when the first process has ended with 0. */
  start(start: Start): void {
    const relay = join(this.directory, 'relay/relay.sock');
    const init = [
      '--relay',
      relay,
      '--socket',
      this.socket,
      ...(this.place === 'no namespaces' ? [] : ['--proc', '/proc']),
    ];
    const argv = [
      ...starter(this.place),
      binary,
      'monitor',
      '--dir',
      this.directory,
      ...(start.monitor ?? []),
      '--',
      ...isolation(this.place),
      ...(start.isolate ?? []),
      binary,
      'init',
      ...init,
      ...(start.init ?? []),
      '--',
      ...(start.argv ?? ['sh', '-c', start.script]),
    ];
    const env = { ...process.env, I: binary, D: this.directory, ...start.env };
    if (start.launch !== undefined) {
      start.launch(argv[0]!, argv.slice(1), env);
      return;
    }
    const started = spawnSync(argv[0]!, argv.slice(1), { env, encoding: 'utf8', timeout: 10_000 });
    if (started.status !== 0) throw new Error(`the monitor did not start: ${started.stderr}`);
  }

  get socket(): string {
    return join(this.directory, 'checkpoint.sock');
  }

  get relay(): string {
    return join(this.directory, 'relay/relay.sock');
  }

  control(): Promise<Control> {
    return Control.to(join(this.directory, 'control.sock'));
  }

  get monitorPid(): number | undefined {
    const path = join(this.directory, 'monitor.pid');
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
  }

  /** The file `exit`, once it is there and the monitor has cleaned up. */
  async exited(timeoutMs = 10_000): Promise<Readonly<Record<string, string>>> {
    const path = join(this.directory, 'exit');
    await until(
      () => (existsSync(path) && this.monitorPid === undefined) || undefined,
      timeoutMs,
      () => `no exit; log: ${this.log()}`,
    );
    return parse(readFileSync(path, 'utf8')).values;
  }

  /** The log as it is in the files, or the text of its entries. */
  log(name = 'log'): string {
    const path = join(this.directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  output(): string {
    return this.log().replace(/^\S+ std(?:out|err) [FP] /gm, '');
  }

  async printed(text: string, timeoutMs = 8000): Promise<void> {
    await until(
      () => this.output().includes(text) || undefined,
      timeoutMs,
      () => `"${text}" was not printed: ${this.log()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.monitorPid !== undefined) {
      try {
        using control = await this.control();
        control.send('KILL');
        await this.exited();
      } catch {
        const pid = this.monitorPid;
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts a container and returns it. */
export function monitored(start: Start): Monitored {
  const container = new Monitored(start.place ?? 'no namespaces');
  container.start(start);
  return container;
}

/** Whether a process is there and no zombie. */
export function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
