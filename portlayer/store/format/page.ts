/** The unit of everything: bytes of one page. CRIU, DMTCP and QEMU all keep memory at this alignment from dump to dump. */
export const PAGE_BYTES = 4096;
/** Stored pages in one frame: 64 KiB before compression. */
export const FRAME_PAGES = 16;
/** Bytes of a page's SHA-256. */
export const HASH_BYTES = 32;

/** How many pages so many bytes take. */
export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}
