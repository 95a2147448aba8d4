/** Where a run of pages is: nowhere, because they are zero; in this image's own data; or in another image's. */
export const ZERO = 0;
/** See {@link ZERO}. */
export const OWN = 1;
/** See {@link ZERO}: the first other image; the n-th of the manifest's `sources` is `FIRST_SOURCE + n`. */
export const FIRST_SOURCE = 2;

/**
 * The chunk map: runs in the order of an image's pages, three numbers each. They are where it is ({@link ZERO},
 * {@link OWN} or a source), how many pages, and the position of its first page in that data (0 for zero pages).
 */
export type Runs = Int32Array;

/** Numbers of one run in {@link Runs}. */
export const RUN_FIELDS = 3;

/** A page map of two numbers for each page (where, position) as runs. */
export function toRuns(pages: Int32Array): Runs {
  const runs: number[] = [];
  let where = -1;
  let next = 0;
  for (let page = 0; page < pages.length; page += 2) {
    const [is, position] = [pages[page]!, pages[page + 1]!];
    if (is === where && (is === ZERO || position === next)) {
      runs[runs.length - 2]!++;
    } else {
      runs.push(is, 1, is === ZERO ? 0 : position);
      where = is;
    }
    next = position + 1;
  }
  return Int32Array.from(runs);
}

/**
 * Runs as bytes: three variable-length numbers each (7 bits to a byte, the lowest first): where, count, and how far the
 * position is from the end of the last run in the same data, its sign in the lowest bit.
 */
export function encodeRuns(runs: Runs): Buffer {
  const bytes = Buffer.alloc(runs.length * 5);
  const ends = new Map<number, number>();
  let at = 0;
  const put = (value: number): void => {
    for (; value >= 128; value = Math.floor(value / 128)) bytes[at++] = (value % 128) + 128;
    bytes[at++] = value;
  };
  for (let i = 0; i < runs.length; i += RUN_FIELDS) {
    const [where, count, position] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    put(where);
    put(count);
    if (where === ZERO) continue;
    const step = position - (ends.get(where) ?? 0);
    put(step < 0 ? -step * 2 - 1 : step * 2);
    ends.set(where, position + count);
  }
  return bytes.subarray(0, at);
}

/**
 * Reads runs back. `pages` and `sources` are how many the image has. Throws `RangeError` for anything but a whole map of
 * exactly so many pages whose runs lie in that many sources: it may come from a stranger.
 */
export function decodeRuns(bytes: Uint8Array, pages: number, sources: number): Runs {
  const runs: number[] = [];
  const ends = new Map<number, number>();
  let at = 0;
  let left = pages;
  const take = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 35; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('the chunk map is cut short');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError('a number in the chunk map is too long');
  };
  while (at < bytes.length) {
    const [where, count] = [take(), take()];
    if (where >= FIRST_SOURCE + sources) throw new RangeError(`there is no source ${where - FIRST_SOURCE}`);
    if (count < 1 || count > left) throw new RangeError('the chunk map has another number of pages');
    left -= count;
    let position = 0;
    if (where !== ZERO) {
      const step = take();
      position = (ends.get(where) ?? 0) + (step % 2 === 1 ? -(step + 1) / 2 : step / 2);
      if (position < 0 || position + count > 2 ** 31 - 1) throw new RangeError('a position is out of bounds');
      ends.set(where, position + count);
    }
    runs.push(where, count, position);
  }
  if (left !== 0) throw new RangeError('the chunk map has another number of pages');
  return Int32Array.from(runs);
}
