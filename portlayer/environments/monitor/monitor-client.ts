import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { ExitResult } from '../../model/container-record.js';
import type { GuestLink } from '../../plugin/executor.js';
import { type Host, isUnreachable } from '../../plugin/host.js';
import { exitOfLine, lostExit, readExitFile } from './exit-result.js';
import { createGuestLines } from './guest-lines.js';
import { createLineSplitter } from './line-splitter.js';
import { type MonitorLine, parseMonitorLine } from './monitor-line.js';
import { findMonitor } from './monitor-process.js';

/** What a monitor said of itself last. */
export interface MonitorState {
  readonly pid: number;
  /** The init's pid on the host; 0 while unknown. */
  readonly init: number;
  /** The init's incarnation; empty while unknown. */
  readonly incarnation: string;
  readonly state: string;
}

/**
 * The service's side of one run of one container: holds one connection to its monitor, makes it again when it is lost,
 * and knows the end. Made after the monitor was started or found again; closing it ends nothing that runs.
 */
export interface MonitorClient {
  /** Resolves when the task has ended and its monitor is gone, or the monitor is gone without a word. Rejects only if closed first. */
  readonly ended: Promise<ExitResult>;
  /** True once {@link ended} is settled. */
  isOver(): boolean;
  /** Resolves when a connection stands. Throws WRONG_STATE if the task has ended. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Resolves when the init is known. Throws WRONG_STATE if the task has ended. */
  init(signal?: AbortSignal): Promise<number>;
  /** The init's incarnation, once it is known. Throws WRONG_STATE if the task has ended. */
  incarnation(signal?: AbortSignal): Promise<string>;
  /** Sends one line of the protocol without its end, as soon as a connection stands. Throws WRONG_STATE if the task has ended. */
  tell(line: string, signal?: AbortSignal): Promise<void>;
  /** Resolves with the line READY of a restored init, which the link's reader gets as well. Throws WRONG_STATE if the task has ended. */
  copyReady(signal?: AbortSignal): Promise<string>;
  /** Opens the guest link; one that is open is closed. */
  link(signal: AbortSignal): GuestLink;
  /** Sends signal `n` to the task through the init. */
  signal(n: number): Promise<void>;
  /** SIGKILL to everything. No error if it has ended. */
  kill(): Promise<void>;
  /** Stops or continues everything through the init: for hosts without a cgroup freezer. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  close(): void;
}

const retryMs = 50;
const answerTimeoutMs = 10_000;

/** A client of the monitor that keeps `directory`. Connects at once. */
export function createMonitorClient(host: Host, directory: string): MonitorClient {
  const closing = new AbortController();
  const lines = createGuestLines(() => void say('ACK n=1'));
  const waiters = new Set<() => void>();
  const replies: { resolve: () => void; reject: (reason: Error) => void }[] = [];
  let connection: Duplex | undefined;
  let known: MonitorState | undefined;
  let over = false;
  let openLink: AbortController | undefined;
  let readyLine: string | undefined;

  const changed = () => {
    for (const wake of [...waiters]) wake();
  };
  const ended = follow();
  ended.catch(() => {}); // Nobody need ask for the end of a client that was closed.

  async function follow(): Promise<ExitResult> {
    try {
      return await untilExit();
    } finally {
      over = true;
      lines.end();
      for (const reply of replies.splice(0)) reply.reject(hasEnded());
      changed();
    }
  }

  async function untilExit(): Promise<ExitResult> {
    for (;;) {
      closing.signal.throwIfAborted();
      const told = await converse().catch(() => undefined);
      closing.signal.throwIfAborted();
      // The monitor writes the file, tells, removes its sockets and ends: only then may another take its place.
      if (told !== undefined) return told;
      const end = await endIfOver().catch(waitForHost);
      if (end !== undefined) return end;
      await sleep(retryMs, undefined, { signal: closing.signal, ref: false });
    }
  }

  async function endIfOver(): Promise<ExitResult | undefined> {
    if ((await findMonitor(host, directory)) !== undefined) return undefined;
    return (await readExitFile(host, directory)) ?? lostExit();
  }

  /** A host that cannot be asked has not said that anything ended. */
  async function waitForHost(caught: unknown): Promise<undefined> {
    closing.signal.throwIfAborted();
    if (!isUnreachable(caught)) throw caught;
    await host.untilReachable?.(closing.signal);
  }

  /** One connection, to its end. The exit, if it was told. */
  async function converse(): Promise<ExitResult | undefined> {
    const socket = await host.connect(`${directory}/control.sock`, closing.signal);
    const abort = () => socket.destroy();
    closing.signal.addEventListener('abort', abort);
    const split = createLineSplitter();
    let exit: ExitResult | undefined;
    lines.forget();
    connection = socket;
    socket.on('error', () => {}); // It shows as the end of what is read.
    try {
      for await (const chunk of socket) {
        const texts = split(chunk as Buffer);
        if (texts === undefined) return exit;
        for (const text of texts) exit = take(text) ?? exit;
      }
    } catch {
      // Lost; the caller looks whether the monitor lives.
    } finally {
      closing.signal.removeEventListener('abort', abort);
      connection = undefined;
      socket.destroy();
      for (const reply of replies.splice(0))
        reply.reject(new Error('the connection to the monitor was lost'));
    }
    return exit;
  }

  function take(text: string): ExitResult | undefined {
    if (text.startsWith('GUEST ')) {
      lines.push(text.slice(6));
      if (text.startsWith('GUEST READY ')) readyLine = text.slice(6);
      changed();
      return undefined;
    }
    const line = parseMonitorLine(text);
    if (line?.word === 'EXIT') return exitOfLine(line);
    if (line?.word === 'MONITOR') known = stateOf(line);
    else if (line?.word === 'OK') replies.shift()?.resolve();
    else if (line?.word === 'ERR') replies.shift()?.reject(new Error(line.values.get('reason') ?? 'refused'));
    changed();
    return undefined;
  }

  function say(line: string): boolean {
    return connection?.write(`${line}\n`) !== undefined;
  }

  /** Resolves as soon as `ready` holds; throws WRONG_STATE if the task ends before. */
  async function until(ready: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!ready()) {
      if (over) throw hasEnded();
      signal?.throwIfAborted();
      await new Promise<void>(resolve => {
        const wake = () => {
          waiters.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        waiters.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
  }

  async function connected(signal?: AbortSignal): Promise<void> {
    await until(() => connection !== undefined && known !== undefined, signal);
  }

  async function ask(line: string): Promise<void> {
    const timeout = AbortSignal.timeout(answerTimeoutMs);
    await connected(timeout);
    const answer = new Promise<void>((resolve, reject) => replies.push({ resolve, reject }));
    timeout.addEventListener('abort', () => replies.shift()?.reject(new Error('no answer')));
    say(line);
    await answer.catch((caught: Error) => {
      if (caught instanceof PortLayerError) throw caught;
      throw new PortLayerError(
        'EXECUTOR_UNAVAILABLE',
        `The container's monitor could not carry out ${line}.`,
        {
          found: caught.message,
          remedy: 'Repeat the call.',
          cause: caught,
        },
      );
    });
  }

  async function init(signal?: AbortSignal): Promise<number> {
    await until(() => connection !== undefined && (known?.init ?? 0) > 0, signal);
    return known?.init ?? 0;
  }

  function link(signal: AbortSignal): GuestLink {
    openLink?.abort();
    const mine = new AbortController();
    openLink = mine;
    signal.addEventListener('abort', () => mine.abort(), { once: true });
    return {
      lines: lines.read(mine.signal),
      send: line => void say(line),
      close: () => mine.abort(),
    };
  }

  return {
    ended,
    isOver: () => over,
    ready: connected,
    init,
    async incarnation(signal) {
      await until(() => connection !== undefined && (known?.incarnation ?? '') !== '', signal);
      return known?.incarnation ?? '';
    },
    async tell(line, signal) {
      do await connected(signal);
      while (!say(line));
    },
    async copyReady(signal) {
      await until(() => readyLine !== undefined, signal);
      return readyLine ?? '';
    },
    link,
    async signal(n) {
      await init(AbortSignal.timeout(answerTimeoutMs)).catch(caught => {
        throw (caught as Error).name === 'TimeoutError' ? silent(caught) : caught;
      });
      say(`SIGNAL n=${n}`);
    },
    async kill() {
      while (!over) {
        await connected().catch(() => {});
        if (say('KILL')) return;
      }
    },
    freeze: () => ask('FREEZE'),
    thaw: () => ask('THAW'),
    close() {
      closing.abort(new Error('closed'));
      openLink?.abort();
    },
  };
}

function stateOf(line: MonitorLine): MonitorState {
  const number = (key: string) => Number(/^\d+$/.exec(line.values.get(key) ?? '')?.[0] ?? 0);
  return {
    pid: number('pid'),
    init: number('init'),
    incarnation: /^[0-9a-f]{16}$/.exec(line.values.get('inc') ?? '')?.[0] ?? '',
    state: line.values.get('state') ?? '',
  };
}

function silent(cause: unknown): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', "The container's monitor does not answer.", {
    required: `an answer within ${answerTimeoutMs} ms`,
    found: 'none',
    remedy: 'Repeat the call; if it goes on, remove the container with portlayer rm --force.',
    cause,
  });
}

function hasEnded(): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'The task has ended.', {
    required: 'a running container',
    found: 'exited',
    remedy: 'Start the container first.',
  });
}
