import type { Duplex } from 'node:stream';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { type QmpCommands, type QmpEvent, type QmpMessage, qmpLines } from './qmp-message.js';

/** A conversation with one QEMU. */
export interface Qmp {
  /** Throws EXECUTOR_UNAVAILABLE where QEMU refuses, has ended, or does not answer in the conversation's time. */
  execute<C extends keyof QmpCommands>(
    command: C,
    ...args: QmpCommands[C]['arguments'] extends undefined ? [] : [QmpCommands[C]['arguments']]
  ): Promise<QmpCommands[C]['returns']>;
  /** The first event of this name since the conversation began, or since `after`. */
  event(name: string, after?: QmpEvent): Promise<QmpEvent>;
}

/** How long QEMU may take for its greeting and for each reply, in milliseconds: none of the commands waits for the guest. */
const PATIENCE_MS = 10_000;

/**
 * Talks to the QEMU whose socket is at `path`, and hangs up: QEMU serves one client at a time, and none is to be in the
 * way of a service that takes over. A QEMU that does not answer within `ms` is reported, not waited for. `connected` is
 * a connection that stands already.
 */
export async function withQmp<T>(
  host: Host,
  path: string,
  work: (qmp: Qmp) => Promise<T>,
  options: { readonly signal?: AbortSignal; readonly ms?: number; readonly connected?: Duplex } = {},
): Promise<T> {
  const limit = AbortSignal.timeout(options.ms ?? PATIENCE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const socket =
    options.connected ??
    (await host.connect(path, signal).catch((cause: unknown) => {
      options.signal?.throwIfAborted();
      throw unavailable('its monitor socket cannot be reached', cause);
    }));
  const conversation = converse(socket);
  const silent = setTimeout(
    () => conversation.end(unavailable(`no greeting within ${PATIENCE_MS} ms`)),
    PATIENCE_MS,
  );
  const abort = () =>
    conversation.end(
      limit.aborted ? unavailable(`no answer within ${options.ms ?? PATIENCE_MS} ms`) : signal.reason,
    );
  signal.addEventListener('abort', abort, { once: true });
  try {
    await conversation.greeted;
    clearTimeout(silent);
    await conversation.qmp.execute('qmp_capabilities');
    return await work(conversation.qmp);
  } finally {
    clearTimeout(silent);
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

interface Conversation {
  readonly greeted: Promise<void>;
  readonly qmp: Qmp;
  end(reason: unknown): void;
}

function converse(socket: Duplex): Conversation {
  const replies = new Map<
    number,
    { command: string; resolve: (value: never) => void; reject: (reason: unknown) => void }
  >();
  const events: QmpEvent[] = [];
  const listeners = new Set<() => void>();
  let ended: { readonly reason: unknown } | undefined;
  let next = 1;
  let greet: () => void = () => {};
  let refuse: (reason: unknown) => void = () => {};
  const greeted = new Promise<void>((resolve, reject) => {
    greet = resolve;
    refuse = reject;
  });
  greeted.catch(() => {});

  function end(reason: unknown): void {
    ended ??= { reason };
    refuse(reason);
    for (const reply of replies.values()) reply.reject(reason);
    replies.clear();
    for (const listen of [...listeners]) listen();
  }

  function take(message: QmpMessage): void {
    if ('QMP' in message) greet();
    else if ('event' in message) {
      events.push(message);
      for (const listen of [...listeners]) listen();
    } else {
      const reply = replies.get(message.id ?? 0);
      replies.delete(message.id ?? 0);
      if ('error' in message) reply?.reject(refused(reply.command, message.error.desc));
      else reply?.resolve(message.return as never);
    }
  }

  const split = qmpLines();
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of split(chunk)) take(message);
    } catch (caught) {
      end(unavailable('it said something that is not QMP', caught));
    }
  });
  socket.on('error', error => end(unavailable('the connection broke', error)));
  socket.on('close', () => end(unavailable('it has ended')));

  return {
    greeted,
    end,
    qmp: {
      execute(command, ...args) {
        return new Promise((resolve, reject) => {
          if (ended) return reject(ended.reason);
          const id = next++;
          const late = setTimeout(
            () => end(unavailable(`no reply to ${command} within ${PATIENCE_MS} ms`)),
            PATIENCE_MS,
          );
          const answered =
            <T>(settle: (value: T) => void) =>
            (value: T) => {
              clearTimeout(late);
              settle(value);
            };
          replies.set(id, { command, resolve: answered(resolve), reject: answered(reject) });
          socket.write(
            `${JSON.stringify({ execute: command, id, ...(args[0] === undefined ? {} : { arguments: args[0] }) })}\n`,
          );
        });
      },
      async event(name, after) {
        for (;;) {
          const from = after ? events.indexOf(after) + 1 : 0;
          const found = events.slice(from).find(event => event.event === name);
          if (found) return found;
          if (ended) throw ended.reason;
          await new Promise<void>(resolve => {
            const wake = () => {
              listeners.delete(wake);
              resolve();
            };
            listeners.add(wake);
          });
        }
      },
    },
  };
}

const REFUSAL = 'QEMU refused ';

/** Whether QEMU answered that it cannot do what it was asked for. */
export function isRefusal(error: unknown): boolean {
  return error instanceof PortLayerError && error.message.startsWith(REFUSAL);
}

function refused(command: string, why: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `${REFUSAL}${command}: ${why.slice(0, 200)}`, {
    found: why.slice(0, 500),
    remedy: 'See the reason above. The machine runs on.',
  });
}

const SILENCE = 'QEMU does not answer.';

/** Whether this is what a conversation with a QEMU that does not answer ends with. */
export function isSilence(error: unknown): boolean {
  return error instanceof PortLayerError && error.message === SILENCE;
}

function unavailable(why: string, cause?: unknown): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', SILENCE, {
    required: 'a QEMU that answers on its monitor socket',
    found: why,
    remedy: 'See whether the container still runs (portlayer ps); stop and start it if this goes on.',
    cause,
  });
}
