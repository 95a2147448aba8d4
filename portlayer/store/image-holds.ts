/** A dump that is being read. */
export interface HeldImage {
  readonly directory: string;
  /** Lets it be moved or removed again. Idempotent. */
  release(): void;
}

/** Who reads which image: many may at a time, and whoever moves or removes one waits for them, and they for him. */
export interface ImageHolds {
  /** Holds an image; `locate` finds where it is, once nobody is moving it. */
  read(crid: string, locate: () => Promise<string>): Promise<HeldImage>;
  /** Does `work` while nobody holds the image. */
  write<T>(crid: string, work: () => Promise<T>): Promise<T>;
  /** Whether anybody reads it, waits for it, or writes. */
  isHeld(crid: string): boolean;
}

interface Gate {
  /** Those who hold it, wait for it, or write. */
  users: number;
  readers: number;
  /** The last writer's turn: readers come after it. */
  turn: Promise<unknown>;
  wake: () => void;
}

/** Holds of no image yet. */
export function createImageHolds(): ImageHolds {
  const gates = new Map<string, Gate>();

  function enter(crid: string): Gate {
    const gate = gates.get(crid) ?? { users: 0, readers: 0, turn: Promise.resolve(), wake: () => {} };
    gates.set(crid, gate);
    gate.users++;
    return gate;
  }

  function leave(crid: string, gate: Gate): void {
    if (--gate.users === 0) gates.delete(crid);
  }

  return {
    isHeld: crid => gates.has(crid),
    async read(crid, locate) {
      const gate = enter(crid);
      for (let turn: unknown; turn !== gate.turn; ) {
        turn = gate.turn;
        await turn;
      }
      gate.readers++;
      let held = true;
      const release = () => {
        if (!held) return;
        held = false;
        gate.readers--;
        gate.wake();
        leave(crid, gate);
      };
      try {
        return { directory: await locate(), release };
      } catch (caught) {
        release();
        throw caught;
      }
    },
    async write(crid, work) {
      const gate = enter(crid);
      const before = gate.turn;
      const mine = (async () => {
        await before;
        while (gate.readers > 0) {
          await new Promise<void>(resolve => {
            gate.wake = resolve;
          });
        }
        return work();
      })();
      gate.turn = mine.catch(() => {}); // What went wrong is its caller's; the next one has its turn all the same.
      try {
        return await mine;
      } finally {
        leave(crid, gate);
      }
    },
  };
}
