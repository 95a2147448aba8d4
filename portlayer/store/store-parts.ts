import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isErrno, PortLayerError } from '../errors/port-layer-error.js';
import type { Engine } from './engine/engine.js';
import type { Pace } from './engine/pace.js';
import type { PageIndex } from './engine/page-index.js';
import type { DataSource, ReadSpec } from './engine/read-plan.js';
import type { ImageHolds } from './image-holds.js';
import { dataSource, type ImagePaths } from './image-paths.js';
import { type DataFacts, decodeManifest, decodeRetired, type Manifest } from './manifest.js';

/** What the parts of the image store work with. */
export interface StoreParts {
  readonly directory: string;
  readonly paths: ImagePaths;
  readonly engine: Engine;
  readonly index: PageIndex;
  readonly holds: ImageHolds;
  /** Images whose data must stay: an image that is not listed yet points into it. By CRID, how many do. */
  readonly pins: Map<string, number>;
  /** What was read of manifests, with the digest of the file that said so: parsing one of 50 sources takes 10 ms. */
  readonly read: Map<
    string,
    { readonly digest: string; readonly data: DataFacts; readonly manifest?: Manifest }
  >;
  /** Holds write-back back. */
  readonly pace?: Pace;
  readonly log: (message: string) => void;
}

/** Whole manifests that are remembered; of others only where their data is. */
const MOST_MANIFESTS = 8;
const MOST_FACTS = 10_000;

function remember(
  read: StoreParts['read'],
  crid: string,
  known: NonNullable<ReturnType<StoreParts['read']['get']>>,
): void {
  read.delete(crid);
  read.set(crid, known);
  let whole = 0;
  // The newest are at the end; behind the first few nothing whole is left from before.
  for (const [name, { digest, data, manifest }] of [...read].slice(-2 * MOST_MANIFESTS).reverse())
    if (manifest && ++whole > MOST_MANIFESTS) read.set(name, { digest, data });
  for (const name of read.keys()) {
    if (read.size <= MOST_FACTS) break;
    read.delete(name);
  }
}

/** The manifest of a committed checkpoint. Throws NOT_FOUND, CHECKPOINT_CORRUPT. */
export async function readManifest(
  { paths, read }: Pick<StoreParts, 'paths' | 'read'>,
  crid: string,
): Promise<Manifest> {
  try {
    const bytes = await readFile(paths.manifest(crid));
    const digest = hash('sha256', bytes);
    const known = read.get(crid);
    if (known?.digest === digest && known.manifest) return known.manifest;
    const manifest = decodeManifest(crid, bytes.toString('utf8'));
    remember(read, crid, { digest, data: manifest.image.data, manifest });
    return manifest;
  } catch (caught) {
    if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
    throw new PortLayerError('NOT_FOUND', `Checkpoint ${crid} has no manifest.`, {
      facts: { crid },
      cause: caught,
    });
  }
}

/** The data of an image that others point into, whether its checkpoint is still there or not. */
export async function readData(parts: Pick<StoreParts, 'paths' | 'read'>, crid: string): Promise<DataFacts> {
  try {
    const known = parts.read.get(crid);
    if (known && hash('sha256', await readFile(parts.paths.manifest(crid))) === known.digest)
      return known.data;
  } catch (caught) {
    if (!isErrno(caught)) throw caught; // It was retired: below.
  }
  try {
    return (await readManifest(parts, crid)).image.data;
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'NOT_FOUND') throw caught;
  }
  try {
    return decodeRetired(crid, await readFile(parts.paths.retired(crid), 'utf8'));
  } catch (caught) {
    if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
    throw new PortLayerError('CHECKPOINT_CORRUPT', `The data of ${crid}, which others point into, is gone.`, {
      required: parts.paths.image(crid),
      found: 'nothing',
      remedy: 'Restore from another checkpoint: portlayer checkpoint ls',
      facts: { crid },
      cause: caught,
    });
  }
}

/** An image that is being read, with all data that its map points into. */
export interface OpenImage {
  readonly manifest: Manifest;
  readonly spec: ReadSpec;
}

/**
 * Does `use` while none of the data that an image points into is replaced or removed; a rewriting of any of it waits,
 * and what was there before is read. Throws NOT_FOUND, CHECKPOINT_CORRUPT.
 */
export async function withData<T>(
  parts: Pick<StoreParts, 'paths' | 'holds' | 'read'>,
  crid: string,
  use: (image: OpenImage) => Promise<T>,
): Promise<T> {
  for (;;) {
    const before = await readManifest(parts, crid);
    const names = [crid, ...before.image.sources];
    const held = [];
    try {
      for (const name of names) held.push(await parts.holds.read(dataKey(name), async () => name));
      const manifest = await readManifest(parts, crid);
      // It was rewritten before it was held.
      if (!manifest.image.sources.every(source => names.includes(source))) continue;
      const data: DataSource[] = [dataSource(parts.paths, crid, manifest.image.data)];
      for (const source of manifest.image.sources)
        data.push(dataSource(parts.paths, source, await readData(parts, source)));
      const { map, pages } = manifest.image;
      return await use({
        manifest,
        spec: { map: Buffer.from(map, 'base64'), pages, data, range: [0, pages] },
      });
    } finally {
      for (const each of held) each.release();
    }
  }
}

/** Who reads a data file holds this; who replaces it waits for it. */
export function dataKey(crid: string): string {
  return `data ${crid}`;
}
