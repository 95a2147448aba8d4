import { PortLayerError } from '../errors/port-layer-error.js';

interface Holder {
  readonly operation: string;
  readonly done: Promise<void>;
}

/** One operation at a time for each key (a container's uid, a checkpoint's id). */
export interface OperationLocks {
  /**
   * Runs `body` alone on `key`, after those that came before. Throws OPERATION_PENDING if it cannot begin
   * within `patienceMs`; `Infinity` waits as long as it takes.
   */
  run<T>(key: string, operation: string, body: () => Promise<T>, patienceMs?: number): Promise<T>;
}

/** How long a caller's operation waits for the one before it. Longer than a checkpoint's frozen time, shorter than a call's usual deadline. */
const CALLER_PATIENCE_MS = 10_000;

/** Locks that live as long as the service; nothing is persisted, since recovery takes each container up alone. */
export function createOperationLocks(): OperationLocks {
  const tails = new Map<string, Holder>();
  return {
    async run<T>(
      key: string,
      operation: string,
      body: () => Promise<T>,
      patienceMs = CALLER_PATIENCE_MS,
    ): Promise<T> {
      const before = tails.get(key);
      const { promise: done, release } = latch();
      // Whoever comes next waits for this one and, through it, for all before it, also if this one gives up waiting.
      const tail: Holder = { operation, done: Promise.all([before?.done, done]).then(() => undefined) };
      tails.set(key, tail);
      void tail.done.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      try {
        if (before) await waitFor(before, key, operation, patienceMs);
        return await body();
      } finally {
        release();
      }
    },
  };
}

async function waitFor(holder: Holder, key: string, operation: string, patienceMs: number): Promise<void> {
  if (patienceMs === Infinity) return holder.done;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new PortLayerError(
          'OPERATION_PENDING',
          `${operation} cannot begin: ${holder.operation} is under way.`,
          {
            required: 'no other operation on the same object',
            found: holder.operation,
            remedy: 'Repeat the call in a moment.',
            facts: { key, pending: holder.operation },
          },
        ),
      );
    }, patienceMs);
  });
  try {
    await Promise.race([holder.done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function latch(): { promise: Promise<void>; release: () => void } {
  let release = (): void => {};
  const promise = new Promise<void>(resolve => {
    release = resolve;
  });
  return { promise, release };
}
