import {
  decodeRuns,
  encodeRuns,
  FIRST_SOURCE,
  OWN,
  RUN_FIELDS,
  type Runs,
  ZERO,
} from '../format/chunk-map.js';

/** Pages that are taken over from another image's map, as they are. */
export interface Inherited {
  readonly crid: string;
  readonly map: Uint8Array;
  readonly pages: number;
  readonly sources: readonly string[];
  /** From the first to before the second page. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

/** A whole map and its sources. */
export interface JoinedMap {
  readonly map: Uint8Array;
  readonly sources: readonly string[];
}

/**
 * Appends to an image's own runs those that it takes over from others, so that all point to where the pages are and not
 * to another map: a chain costs nothing when it is read. `crid` is the image that is written.
 */
export function joinMaps(
  crid: string,
  runs: Runs,
  sources: readonly string[],
  inherited: readonly Inherited[],
): JoinedMap {
  const numbers = new Map<string, number>([[crid, OWN]]);
  const names: string[] = [];
  const numberOf = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    const number = FIRST_SOURCE + names.push(name) - 1;
    numbers.set(name, number);
    return number;
  };
  const joined: number[] = [];
  const add = (
    from: Runs,
    name: (where: number) => string,
    [first, last]: readonly [number, number],
  ): void => {
    let page = 0;
    for (let i = 0; i < from.length && page < last; i += RUN_FIELDS) {
      const [where, count, position] = [from[i]!, from[i + 1]!, from[i + 2]!];
      const begin = Math.max(page, first);
      const some = Math.min(page + count, last) - begin;
      if (some > 0) {
        const is = where === ZERO ? ZERO : numberOf(name(where));
        joined.push(is, some, is === ZERO ? 0 : position + begin - page);
      }
      page += count;
    }
  };
  add(runs, where => (where === OWN ? crid : sources[where - FIRST_SOURCE]!), [0, Infinity]);
  for (const image of inherited) {
    const its = decodeRuns(image.map, image.pages, image.sources.length);
    for (const range of image.ranges)
      add(its, where => (where === OWN ? image.crid : image.sources[where - FIRST_SOURCE]!), range);
  }
  return { map: encodeRuns(Int32Array.from(joined)), sources: names };
}
