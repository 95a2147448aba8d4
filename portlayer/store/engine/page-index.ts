import { type Engine, PRIORITY } from './engine.js';
import {
  ABSENT,
  capacityOf,
  createPageTable,
  GROWING,
  MOST_OWNERS,
  type PageTable,
  WHOLE,
} from './page-table.js';
import type { DataSource } from './read-plan.js';

/** Entries that the index starts with room for, twice over. */
const LEAST = 1 << 13;
/** Pages that the index knows at most: 8 GiB of different pages, 120 MB of memory. Beyond that it begins anew with the newest. */
const MOST = 1 << 21;

/** Which data holds a page of which hash, as far as this process has looked. */
export interface PageIndex {
  /** Makes room for so many further pages, and keeps the table and the owners' numbers as they are until `done`. */
  enter(pages: number): Promise<{ readonly table: PageTable; done(): void }>;
  /** A number for an image whose data is being written. */
  begin(crid: string): number;
  /** Its data is committed, or will never be. */
  end(owner: number, committed: boolean): void;
  /** Nobody may point into this image's data from now on. */
  forget(crid: string): void;
  nameOf(owner: number): string;
  /** Reads the pages of data that the index does not know yet. */
  learn(source: DataSource): Promise<void>;
  knows(crid: string): boolean;
}

/** An index that grows with what is stored. */
export function createPageIndex(engine: Engine): PageIndex {
  let table = createPageTable(LEAST);
  const names: string[] = [];
  const numbers = new Map<string, number>();
  let users = 0;
  let growing: Promise<void> = Promise.resolve();
  let wake = (): void => {};

  function number(crid: string, state: number): number {
    const owner = names.push(crid) - 1;
    numbers.set(crid, owner);
    Atomics.store(table.owners, owner, state);
    return owner;
  }

  function hasRoom(pages: number): boolean {
    return Atomics.load(table.used, 0) + pages <= capacityOf(table) / 2 && names.length < MOST_OWNERS - 1;
  }

  async function grow(pages: number): Promise<void> {
    while (users > 0) {
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
    if (hasRoom(pages)) return;
    const used = Atomics.load(table.used, 0);
    const anew = used + pages > MOST || names.length >= MOST_OWNERS - 1;
    let capacity = LEAST;
    while (capacity < 2 * ((anew ? 0 : used) + pages)) capacity *= 2;
    const next = createPageTable(capacity, anew ? undefined : table.owners);
    if (anew) {
      numbers.clear();
      names.length = 0;
    } else await engine.ask('grow', [table, next], { priority: PRIORITY.commit });
    table = next;
  }

  return {
    async enter(pages) {
      for (;;) {
        await growing;
        if (hasRoom(pages)) break;
        const grown = grow(pages);
        growing = grown.catch(() => {}); // Whoever asked is told; the next one tries again.
        await grown;
      }
      users++;
      let inside = true;
      const done = (): void => {
        if (!inside) return;
        inside = false;
        if (--users === 0) wake();
      };
      return { table, done };
    },
    begin: crid => number(crid, GROWING),
    end(owner, committed) {
      Atomics.store(table.owners, owner, committed ? WHOLE : ABSENT);
      if (!committed && numbers.get(names[owner]!) === owner) numbers.delete(names[owner]!);
    },
    forget(crid) {
      const owner = numbers.get(crid);
      if (owner === undefined) return;
      numbers.delete(crid);
      Atomics.store(table.owners, owner, ABSENT);
    },
    nameOf: owner => names[owner]!,
    async learn(source) {
      if (numbers.has(source.crid)) return;
      const positions = Math.ceil(source.trailerBytes / 32);
      const { table: into, done } = await this.enter(positions);
      // Two callers may have waited for the same.
      if (numbers.has(source.crid)) return done();
      const owner = number(source.crid, WHOLE);
      try {
        await engine.ask('index', [source, into, owner], { priority: PRIORITY.commit });
      } catch (caught) {
        this.forget(source.crid);
        throw caught;
      } finally {
        done();
      }
    },
    knows: crid => numbers.has(crid),
  };
}
