/** A dump that is told by its seed alone: some pages are those of the seed before it. */
export function dumpOf(seed: number): Buffer {
  const pages = Array.from({ length: 48 }, (_, page) =>
    Buffer.alloc(4096, `page ${page} of ${page % 8 === seed % 8 ? seed : 'all'}. `),
  );
  return Buffer.concat(pages);
}
