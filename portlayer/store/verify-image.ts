import { PortLayerError } from '../errors/port-layer-error.js';
import { PRIORITY } from './engine/engine.js';
import { checkSource } from './engine/read-image.js';
import { pagesOf } from './format/page.js';
import { aboutCheckpoint } from './read-back.js';
import { type StoreParts, withData } from './store-parts.js';

/** What a verification came to. */
export interface VerifiedImage {
  /** Bytes of data that were read. */
  readonly bytes: number;
  readonly pages: number;
}

/** How to verify. */
export interface Verifying {
  /** Data files that were found whole already, by CRID; this one's are added. */
  readonly whole?: Set<string>;
  /** Nobody waits for it: it is held back like write-back. */
  readonly inBackground?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Checks a committed image: the manifest, every byte of its own data and of all data that it points into, every page's
 * hash, and the Merkle root of every file. Throws CHECKPOINT_CORRUPT saying what is damaged.
 */
export function verifyImage(
  parts: StoreParts,
  crid: string,
  options: Verifying = {},
): Promise<VerifiedImage> {
  const whole = options.whole ?? new Set();
  const reading = {
    priority: PRIORITY.background,
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.inBackground && parts.pace ? { pace: parts.pace } : {}),
  };
  return withData(parts, crid, async ({ manifest, spec }) => {
    const { files } = manifest.image;
    const places = files.map(({ at, bytes }) => [at, pagesOf(bytes)] as const);
    const { value: roots } = await parts.engine.ask('roots', [spec, places], reading);
    const wrong = files.find(({ root }, index) => root !== roots[index]);
    if (wrong) {
      throw new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not as it was committed.', {
        required: `${wrong.path} with the Merkle root ${wrong.root}`,
        found: 'another content',
      });
    }
    let bytes = 0;
    for (const source of spec.data) {
      if (whole.has(source.crid)) continue;
      await checkSource(parts.engine, source, reading);
      whole.add(source.crid);
      bytes += source.bytes;
    }
    return { bytes, pages: manifest.image.pages };
  }).catch(caught => {
    throw aboutCheckpoint(crid, caught);
  });
}
