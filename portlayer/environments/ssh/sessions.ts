/** Counts the channels of one connection: a server allows only so many. First come, first served. */
export interface Sessions {
  /** Resolves with what gives the place back, when one is free. Rejects with the signal's reason. */
  enter(signal?: AbortSignal): Promise<() => void>;
}

/** Room for `limit` at a time. */
export function createSessions(limit: number): Sessions {
  const queue: (() => void)[] = [];
  let used = 0;
  const leave = () => {
    const next = queue.shift();
    if (next)
      next(); // The place goes from one to the other: nobody comes between.
    else used -= 1;
  };
  return {
    async enter(signal) {
      signal?.throwIfAborted();
      if (used < limit) used += 1;
      else {
        await new Promise<void>((resolve, reject) => {
          const go = () => {
            signal?.removeEventListener('abort', abort);
            resolve();
          };
          const abort = () => {
            queue.splice(queue.indexOf(go), 1);
            reject(signal?.reason);
          };
          queue.push(go);
          signal?.addEventListener('abort', abort, { once: true });
        });
      }
      let left = false;
      return () => {
        if (left) return;
        left = true;
        leave();
      };
    },
  };
}
