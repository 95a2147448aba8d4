/**
 * The store's index in memory: which data holds a page of which hash. Open addressing over shared memory; the workers
 * find and add at the same time. An entry is seven numbers: its state, four of the hash, the owner, the position.
 */
export interface PageTable {
  readonly slots: Int32Array;
  /** {@link ABSENT}, {@link WHOLE} or {@link GROWING}, for each owner. */
  readonly owners: Int32Array;
  /** At 0: how many entries are taken. */
  readonly used: Int32Array;
}

/** An owner whose pages must not be pointed to any more. */
export const ABSENT = 0;
/** An owner whose data is committed. */
export const WHOLE = 1;
/** An owner whose data is being written: only its own image may point into it. */
export const GROWING = 2;

/** Images that the index can know. Memory is taken only as far as it is used. */
export const MOST_OWNERS = 1 << 20;

const FIELDS = 7;
const FREE = 0;
const BUSY = 1;
const TAKEN = 2;

/** An empty table with room for `capacity` entries, a power of two. */
export function createPageTable(capacity: number, owners?: Int32Array): PageTable {
  return {
    slots: new Int32Array(new SharedArrayBuffer(capacity * FIELDS * 4)),
    owners: owners ?? new Int32Array(new SharedArrayBuffer(MOST_OWNERS * 4)),
    used: new Int32Array(new SharedArrayBuffer(4)),
  };
}

/** How many entries there is room for. */
export function capacityOf(table: PageTable): number {
  return table.slots.length / FIELDS;
}

/** A page found by {@link findOrAdd}. */
export interface Place {
  readonly owner: number;
  readonly position: number;
}

/**
 * Where a page of this hash is, as far as `owner` may point there. Otherwise undefined, and it is known from now on to be
 * `owner`'s at `position`, unless an image that is being written holds that entry.
 */
export function findOrAdd(
  table: PageTable,
  hash: Buffer,
  owner: number,
  position: number,
): Place | undefined {
  const { slots, owners, used } = table;
  const mask = capacityOf(table) - 1;
  const [a, b, c, d] = [hash.readInt32LE(0), hash.readInt32LE(4), hash.readInt32LE(8), hash.readInt32LE(12)];
  for (let slot = a & mask; ; slot = (slot + 1) & mask) {
    const at = slot * FIELDS;
    let state = Atomics.load(slots, at);
    if (state === FREE) {
      state = Atomics.compareExchange(slots, at, FREE, BUSY);
      if (state === FREE) {
        slots[at + 1] = a;
        slots[at + 2] = b;
        slots[at + 3] = c;
        slots[at + 4] = d;
        slots[at + 5] = owner;
        slots[at + 6] = position;
        Atomics.store(slots, at, TAKEN);
        Atomics.add(used, 0, 1);
        return undefined;
      }
    }
    while (state === BUSY) state = Atomics.load(slots, at);
    if (slots[at + 1] !== a || slots[at + 2] !== b || slots[at + 3] !== c || slots[at + 4] !== d) continue;
    // Taken while it is read, so that an owner and a position that belong together are seen.
    if (Atomics.compareExchange(slots, at, TAKEN, BUSY) !== TAKEN) {
      slot = (slot - 1) & mask;
      continue;
    }
    const found = { owner: slots[at + 5]!, position: slots[at + 6]! };
    const condition = Atomics.load(owners, found.owner);
    const usable = found.owner === owner || condition === WHOLE;
    if (!usable && condition === ABSENT) {
      slots[at + 5] = owner;
      slots[at + 6] = position;
    }
    Atomics.store(slots, at, TAKEN);
    return usable ? found : undefined;
  }
}

/** Copies every entry of a usable owner into another table. Legal only while nobody adds to either. */
export function copyEntries(from: PageTable, to: PageTable): void {
  const hash = Buffer.alloc(16);
  for (let at = 0; at < from.slots.length; at += FIELDS) {
    const owner = from.slots[at + 5]!;
    if (from.slots[at] !== TAKEN || Atomics.load(from.owners, owner) === ABSENT) continue;
    for (let i = 0; i < 4; i++) hash.writeInt32LE(from.slots[at + 1 + i]!, i * 4);
    findOrAdd(to, hash, owner, from.slots[at + 6]!);
  }
}
