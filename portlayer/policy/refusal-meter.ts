/** Counts refusals, so that a flood of them makes few events. The audit still has a line for each. */
export interface RefusalMeter {
  /** How many refusals an event about this container is to tell of now; undefined: none is due. */
  note(containerUid: string, code: string, nowMs: number): number | undefined;
  forget(containerUid: string): void;
}

/** One event about one container and code in so many milliseconds. */
const EVERY_MS = 1000;

/** A meter that tells the first refusal at once, and those that follow together. */
export function createRefusalMeter(): RefusalMeter {
  const told = new Map<string, Map<string, { atMs: number; since: number }>>();
  return {
    note(uid, code, nowMs) {
      const codes = told.get(uid) ?? new Map<string, { atMs: number; since: number }>();
      told.set(uid, codes);
      const last = codes.get(code);
      // A clock that went back must not silence it.
      if (last && nowMs >= last.atMs && nowMs - last.atMs < EVERY_MS) {
        last.since += 1;
        return undefined;
      }
      codes.set(code, { atMs: nowMs, since: 0 });
      return (last?.since ?? 0) + 1;
    },
    forget(uid) {
      told.delete(uid);
    },
  };
}
