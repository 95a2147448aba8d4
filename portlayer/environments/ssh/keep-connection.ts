import type { Client } from 'ssh2';
import { PortLayerError } from '../../errors/port-layer-error.js';

/** A connection that is made again whenever it is lost. */
export interface KeptConnection {
  /**
   * The connection, as soon as it stands and was prepared. One that is down for `patienceMs` is not waited for, nor one
   * that only a person can mend: throws why it is down. Never waits longer than the signal.
   */
  client(signal?: AbortSignal): Promise<Client>;
  /** Resolves when one stands; for whoever waits however long it takes. Rejects with the signal's reason only. */
  untilUp(signal: AbortSignal): Promise<void>;
  /** Why there is none now; undefined while one stands. */
  down(): PortLayerError | undefined;
  close(): void;
}

/** How it is made. */
export interface KeepOptions {
  /** One attempt. */
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  /** What must be done on a new connection before anybody may use it. */
  readonly prepare: (client: Client, signal: AbortSignal) => Promise<void>;
  readonly patienceMs: number;
  readonly log: (message: string) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 10_000;

/** Connects at once, and goes on until closed: each pause is twice as long as the one before, up to 10 s. */
export function keepConnection(options: KeepOptions): KeptConnection {
  const closing = new AbortController();
  const waiters = new Set<() => void>();
  let standing: Client | undefined;
  let why: PortLayerError | undefined = notYet();
  let attempts = 0;
  let downSince = performance.now();
  let hurry: () => void = () => {};

  const changed = () => {
    for (const wake of [...waiters]) wake();
  };
  void run();

  async function run(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!closing.signal.aborted) {
      try {
        const client = await options.connect(closing.signal);
        const gone = new Promise<void>(resolve => client.once('close', () => resolve()));
        client.on('error', () => {}); // It shows as the end.
        try {
          await Promise.race([
            options.prepare(client, closing.signal),
            gone.then(() => Promise.reject(cut())),
          ]);
        } catch (caught) {
          client.end();
          client.destroy();
          throw caught;
        }
        standing = client;
        why = undefined;
        pauseMs = firstPauseMs;
        changed();
        await gone;
        standing = undefined;
        downSince = performance.now();
        why = cut();
        if (!closing.signal.aborted) options.log('the connection was lost');
      } catch (caught) {
        // What the library throws on a connection that is gone is a cut.
        const failure = caught instanceof PortLayerError ? caught : cut();
        if (!closing.signal.aborted && failure.message !== why?.message) options.log(failure.message);
        why = failure;
      }
      attempts += 1;
      changed();
      await pause(pauseMs * (0.75 + Math.random() / 2));
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms);
      hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Resolves at the next change, or when the signal aborts. */
  function change(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  return {
    async client(signal) {
      signal?.throwIfAborted();
      if (standing) return standing;
      const waited = performance.now() - downSince;
      const patience = AbortSignal.timeout(Math.max(1, Math.round(options.patienceMs - waited)));
      const limit = AbortSignal.any([patience, closing.signal, ...(signal ? [signal] : [])]);
      const before = attempts;
      for (;;) {
        if (standing) return standing;
        if (closing.signal.aborted) throw closed();
        signal?.throwIfAborted();
        if (patience.aborted) throw why ?? cut();
        if (why && isLasting(why)) {
          // Somebody may have helped meanwhile: one more attempt before it is said again.
          if (attempts > before) throw why;
          hurry();
        }
        await change(limit);
      }
    },
    async untilUp(signal) {
      const limit = AbortSignal.any([signal, closing.signal]);
      while (!standing) {
        limit.throwIfAborted();
        await change(limit);
      }
    },
    down: () => why,
    close() {
      closing.abort(closed());
      hurry();
      standing?.end();
      changed();
    },
  };
}

/** True for what waiting does not mend: a wrong key, an unknown host, somebody else's lease. */
function isLasting(error: PortLayerError): boolean {
  return ['key', 'authentication', 'host-key', 'lease', 'state-directory'].includes(error.facts.reason ?? '');
}

function notYet(): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The host has not been reached yet.', {
    remedy: 'Repeat the call.',
  });
}

/** The error of an operation that was under way, or begun, while the link is down. */
export function cut(): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The connection to the host was lost.', {
    required: 'a link to the host',
    found: 'it is down',
    remedy: 'Repeat the call when the host can be reached. What runs there runs on.',
    facts: { reason: 'cut' },
  });
}

function closed(): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The environment is closed.', {});
}
