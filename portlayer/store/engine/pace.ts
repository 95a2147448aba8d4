/** Holds work back to so many bytes a second. */
export interface Pace {
  /** Resolves when so many further bytes may be worked on; rejects when the signal aborts. */
  wait(bytes: number, signal?: AbortSignal): Promise<void>;
}

/** A pace shared by all who hold it; undefined where there is no limit. */
export function createPace(bytesPerSecond: number): Pace | undefined {
  if (bytesPerSecond <= 0) return undefined;
  let freeAt = 0;
  return {
    async wait(bytes, signal) {
      const now = performance.now();
      const at = Math.max(now, freeAt);
      freeAt = at + (bytes / bytesPerSecond) * 1000;
      if (at <= now) return;
      await new Promise<void>((resolve, reject) => {
        const stop = (): void => {
          clearTimeout(timer);
          reject(signal?.reason);
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', stop);
          resolve();
        }, at - now);
        signal?.addEventListener('abort', stop, { once: true });
      });
    },
  };
}
