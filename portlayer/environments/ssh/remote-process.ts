import { constants } from 'node:os';
import { PassThrough, type Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Process, SpawnOptions } from '../../plugin/host.js';
import { cut, type KeptConnection } from './keep-connection.js';
import { quoteCommand } from './quote.js';
import type { Sessions } from './sessions.js';

/** What commands are begun with. */
export interface RemoteCommands {
  readonly connection: KeptConnection;
  readonly sessions: Sessions;
  /** The init binary on that host, which begins each command; see `leash.c`. */
  readonly initBinary: () => string;
}

/** The line with which a leash begins each output; the one on standard error has its pid. */
const mark = /\nportlayer-leash(?: ([1-9]\d*))?\n/;

/** How long a server that has no channel free is asked again, in milliseconds, and how often. */
const busyMs = 10_000;
const busyPauseMs = 50;

type End = Awaited<Process['exited']>;

/**
 * Begins `argv` on the host of a connection, with no shell of ours and no inherited environment but PATH. It ends with
 * the connection. A link that is down is waited for; one that is lost meanwhile shows as `cut`: nobody knows how it ended.
 */
export function spawnRemote(remote: RemoteCommands, argv: readonly string[], options: SpawnOptions): Process {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const pid = deferred<number | undefined>();
  const ended = deferred<End>();
  const end = (how: End) => {
    stdout.end();
    stderr.end();
    ended.resolve(how);
  };
  const kill = async (name: string): Promise<void> => {
    const number = await pid.promise;
    if (number === undefined) return;
    const command = [remote.initBinary(), 'leash', '--', 'kill', `-${name}`, String(number)];
    const client = await remote.connection.client();
    client.exec(quoteCommand(command), (caught, channel) => {
      if (!caught) channel.resume().stderr.resume();
    });
  };
  const abort = () => {
    void kill('KILL').catch(() => {});
    end({ code: 137, signal: 'SIGKILL' });
  };
  void begin(remote, argv, options)
    .then(({ channel, end: told, leave }) => {
      channel.once('close', () => {
        leave();
        pid.resolve(undefined); // Nobody is left to be killed.
      });
      follow(channel, told, { stdin, stdout, stderr }, pid.resolve, end);
    })
    .catch((caught: unknown) => {
      pid.resolve(undefined);
      if (options.signal?.aborted) return end({ code: 137, signal: 'SIGKILL' });
      const error = PortLayerError.from(caught);
      const unreachable = error.code === 'EXECUTOR_UNAVAILABLE';
      end({ code: 127, signal: '', failure: error.message, ...(unreachable ? { cut: error } : {}) });
    });
  options.signal?.addEventListener('abort', abort, { once: true });
  void ended.promise.then(() => options.signal?.removeEventListener('abort', abort));
  return {
    stdin,
    stdout,
    stderr,
    exited: ended.promise,
    kill: signal => void kill(signal.replace(/^SIG/, '')).catch(() => {}),
  };
}

/** A command that was begun. */
interface Begun {
  readonly channel: ClientChannel;
  /** How it ended, if the other side has said so. */
  readonly end: () => End | undefined;
}

/** Listens from the first moment: a short command's end may come with the word that it was begun. */
function endOf(channel: ClientChannel): () => End | undefined {
  let how: End | undefined;
  channel.on('error', () => {}); // It shows as the end.
  channel.once('exit', (code: number | null, signal?: string) => {
    how = code === null ? endOfSignal(signal ?? 'KILL') : { code, signal: '' };
  });
  return () => how;
}

/** A channel with the command begun in it. A connection that is lost before that is waited for again. */
async function begin(
  remote: RemoteCommands,
  argv: readonly string[],
  options: SpawnOptions,
): Promise<Begun & { leave: () => void }> {
  const leave = await remote.sessions.enter(options.signal);
  const until = performance.now() + busyMs;
  try {
    for (;;) {
      const client = await remote.connection.client(options.signal);
      const where = options.cwd === undefined ? [] : ['-C', options.cwd];
      const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
      const line = quoteCommand([remote.initBinary(), 'leash', ...where, ...variables, '--', ...argv]);
      const begun = await new Promise<Begun | undefined>((resolve, reject) => {
        const lost = () => resolve(undefined);
        const again = () => setTimeout(lost, busyPauseMs);
        client.once('close', lost);
        try {
          client.exec(line, (caught, made) => {
            client.off('close', lost);
            if (!caught) resolve({ channel: made, end: endOf(made) });
            // The place of a command that has ended may not be free yet, nor that of one of somebody else's.
            else if (remote.connection.down() || performance.now() < until) again();
            else reject(refused(caught));
          });
        } catch {
          resolve(undefined); // It was lost this moment.
        }
      });
      if (begun) return { ...begun, leave };
      await new Promise(resolve => setImmediate(resolve));
    }
  } catch (caught) {
    leave();
    throw caught;
  }
}

function follow(
  channel: ClientChannel,
  told: () => End | undefined,
  streams: { stdin: PassThrough; stdout: PassThrough; stderr: PassThrough },
  tellPid: (pid: number | undefined) => void,
  end: (how: End) => void,
): void {
  const drained = Promise.all([
    flow(
      afterMark(channel, () => {}),
      streams.stdout,
    ),
    flow(afterMark(channel.stderr, tellPid), streams.stderr),
  ]);
  channel.once(
    'close',
    () => void drained.then(() => end(told() ?? { code: 255, signal: '', failure: 'cut', cut: cut() })),
  );
  streams.stdin.pipe(channel);
}

/** A reader need not read to the end for the end to be told: what nobody wants any more is read and dropped. */
function flow(from: Readable, to: PassThrough): Promise<void> {
  from.pipe(to);
  to.once('close', () => {
    from.unpipe(to);
    from.resume();
  });
  return new Promise(resolve => {
    from.once('end', resolve);
    from.once('close', resolve);
  });
}

/** What a command says after its leash's line: a login shell may have said something before. */
function afterMark(from: Readable, marked: (pid: number | undefined) => void): Readable {
  const rest = new PassThrough();
  let head: Buffer | undefined = Buffer.alloc(0);
  from.on('data', (chunk: Buffer) => {
    if (head === undefined) {
      if (!rest.write(chunk)) from.pause();
      return;
    }
    head = Buffer.concat([head, chunk]);
    const found = mark.exec(head.toString('latin1'));
    if (!found) return;
    marked(found[1] === undefined ? undefined : Number(found[1]));
    rest.write(head.subarray(found.index + found[0].length));
    head = undefined;
  });
  rest.on('drain', () => from.resume());
  const finish = () => {
    if (head?.length) rest.write(head); // It never came to be: what the shell says is the reason.
    rest.end();
  };
  from.once('end', finish);
  from.once('close', finish);
  return rest;
}

function endOfSignal(name: string): End {
  const signal = `SIG${name.replace(/^SIG/, '').replace(/@.*$/, '')}`;
  return { code: 128 + (constants.signals[signal as NodeJS.Signals] ?? 0), signal };
}

function refused(caught: Error): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The host does not let another command be run.', {
    required: 'a further channel',
    found: caught.message,
    remedy: 'Lower commandsAtOnce of the environment, or raise MaxSessions of its SSH server.',
    facts: { reason: 'channel' },
    cause: caught,
  });
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>(done => {
    resolve = done;
  });
  return { promise, resolve };
}
