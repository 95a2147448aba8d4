/** Lets a bounded number of pieces of work run at once; the others wait in order. */
export interface Turns {
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** @param atOnce how many */
export function createTurns(atOnce: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;

  function next(): void {
    if (running >= atOnce) return;
    const begin = waiting.shift();
    if (!begin) return;
    running++;
    begin();
  }

  return {
    async run(work, signal) {
      await new Promise<void>(resolve => {
        waiting.push(resolve);
        next();
      });
      try {
        signal.throwIfAborted();
        return await work();
      } finally {
        running--;
        next();
      }
    },
  };
}
