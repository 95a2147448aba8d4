import type { ImageFile } from './drain-images.js';

const maxKnown = 10_000;

/**
 * Images whose bytes this service has summed, as they were written or read, and whose files were not touched since. A
 * file counts as untouched while device, inode, size, and times of content and inode stay: the kernel sets the last itself.
 * Kept in memory alone: another service reads every image once.
 */
export interface UnchangedImages {
  remember(files: readonly ImageFile[]): void;
  /** The stamps to look for, of images that are to have these sums. */
  stampsOf(files: readonly ImageFile[]): readonly string[];
  /** The sum of what has this stamp. */
  sumOf(stamp: string): string | undefined;
}

/** A memory of such images; the oldest go first. */
export function createUnchangedImages(): UnchangedImages {
  const sums = new Map<string, string>();
  return {
    remember(files) {
      for (const { stamp, sum } of files) if (stamp !== undefined) sums.set(stamp, sum);
      for (const oldest of sums.keys()) {
        if (sums.size <= maxKnown) break;
        sums.delete(oldest);
      }
    },
    stampsOf(files) {
      const wanted = new Set(files.map(file => file.sum));
      return [...sums].filter(([, sum]) => wanted.has(sum)).map(([stamp]) => stamp);
    },
    sumOf: stamp => sums.get(stamp),
  };
}
