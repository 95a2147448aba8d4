/** What was opened, to be closed in reverse order. Stands in for AsyncDisposableStack, which Node 20 does not have. */
export interface Closers {
  add(close: () => unknown): void;
  /** Closes everything, the newest first; what fails does not keep the rest open. Throws the first failure at the end. */
  close(): Promise<void>;
}

/** An empty list of closers. */
export function createClosers(): Closers {
  const closers: (() => unknown)[] = [];
  return {
    add: close => void closers.push(close),
    async close() {
      const failures: unknown[] = [];
      for (let close = closers.pop(); close; close = closers.pop()) {
        try {
          await close();
        } catch (caught) {
          failures.push(caught);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
