import { PRIORITY } from './engine/engine.js';
import { PAGE_BYTES, pagesOf } from './format/page.js';
import type { ImageFile } from './manifest.js';
import { type OpenImage, type StoreParts, withData } from './store-parts.js';

/** A file that two images do not have alike. */
export interface FileDifference {
  /** `dump/…` or `layer/ID`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly fromBytes: number;
  readonly toBytes: number;
  /** Bytes in pages that differ, or that only one of them has. */
  readonly changedBytes: number;
}

/** What differs between two committed images. No page is read: their hashes are compared. */
export function diffImages(parts: StoreParts, from: string, to: string): Promise<readonly FileDifference[]> {
  return withData(parts, from, one => withData(parts, to, other => compare(parts, one, other)));
}

async function compare(
  parts: StoreParts,
  from: OpenImage,
  to: OpenImage,
): Promise<readonly FileDifference[]> {
  const before = new Map(from.manifest.image.files.map(file => [file.path, file]));
  const differences: FileDifference[] = [];
  for (const file of to.manifest.image.files) {
    const was = before.get(file.path);
    before.delete(file.path);
    if (!was) differences.push(oneSided(file, 'added'));
    else if (was.root !== file.root || was.bytes !== file.bytes) {
      const [fewer, more] = [pagesOf(was.bytes), pagesOf(file.bytes)].sort((a, b) => a - b) as [
        number,
        number,
      ];
      const sides = [[from.spec, was.at] as const, [to.spec, file.at] as const, fewer] as const;
      const { value: pages } = await parts.engine.ask('differences', [...sides], {
        priority: PRIORITY.commit,
      });
      differences.push({
        path: file.path,
        kind: 'changed',
        fromBytes: was.bytes,
        toBytes: file.bytes,
        changedBytes: (pages + more - fewer) * PAGE_BYTES,
      });
    }
  }
  for (const file of before.values()) differences.push(oneSided(file, 'removed'));
  return differences.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function oneSided({ path, bytes }: ImageFile, kind: 'added' | 'removed'): FileDifference {
  const [fromBytes, toBytes] = kind === 'added' ? [0, bytes] : [bytes, 0];
  return { path, kind, fromBytes, toBytes, changedBytes: bytes };
}
