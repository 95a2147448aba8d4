import { join } from 'node:path';
import type { DataSource } from './engine/read-plan.js';
import type { DataFacts } from './manifest.js';

/** Where the store keeps what, below its directory. */
export interface ImagePaths {
  /** Dumps that are made or captured, and those of committed images that were read back: `staging/CRID`. */
  readonly staging: string;
  /** Images that are being written: `writing/CRID`. */
  readonly writing: string;
  /** Committed images: `checkpoints/CRID` with `manifest.json` and `data-N`. Whole, always. */
  readonly images: string;
  staged(crid: string): string;
  /** Packed layers of an image that is being written or read back. */
  layers(crid: string): string;
  written(crid: string): string;
  image(crid: string): string;
  manifest(crid: string): string;
  /** In the place of the manifest, once the checkpoint was removed and others still point into its data. */
  retired(crid: string): string;
}

/** The paths of a store; `staging` may be on another file system, in memory for example. */
export function imagePaths(directory: string, staging = join(directory, 'staging')): ImagePaths {
  const images = join(directory, 'checkpoints');
  const writing = join(directory, 'writing');
  return {
    staging,
    writing,
    images,
    staged: crid => join(staging, crid),
    layers: crid => join(writing, `${crid}.layers`),
    written: crid => join(writing, crid),
    image: crid => join(images, crid),
    manifest: crid => join(images, crid, 'manifest.json'),
    retired: crid => join(images, crid, 'retired.json'),
  };
}

/** A data file for the engine. */
export function dataSource(paths: ImagePaths, crid: string, data: DataFacts): DataSource {
  const { bytes, trailerBytes, trailerDigest } = data;
  return { crid, path: join(paths.image(crid), data.file), bytes, trailerBytes, trailerDigest };
}
