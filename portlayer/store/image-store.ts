import { existsSync } from 'node:fs';
import { readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUlid } from '../model/ids.js';
import { type CommitRequest, type Committed, commitImage } from './commit-image.js';
import { diffImages, type FileDifference } from './diff-images.js';
import { weighFiles } from './dump-files.js';
import { createEngine, PRIORITY } from './engine/engine.js';
import { createPace } from './engine/pace.js';
import { createPageIndex } from './engine/page-index.js';
import { type ExportedImage, exportImage } from './export-image.js';
import { HASH_BYTES } from './format/page.js';
import { createImageHolds, type HeldImage } from './image-holds.js';
import { imagePaths } from './image-paths.js';
import { importImage } from './import-image.js';
import { encodeManifest, type ImageMap } from './manifest.js';
import { readBackDump, withPackedLayer } from './read-back.js';
import {
  bytesBelow,
  ensureDirectory,
  imagesIn,
  listRetired,
  removeImage,
  replaceFile,
} from './remove-image.js';
import { type Rewriting, rewriteImage } from './rewrite-image.js';
import { readData, readManifest, type StoreParts, withData } from './store-parts.js';
import { type VerifiedImage, type Verifying, verifyImage } from './verify-image.js';

/** Less than this, and no checkpoint is begun: room for the catalog and for manifests must stay. */
const RESERVED_BYTES = 16 * 1024 * 1024;

/** How a store is opened. */
export interface StoreOptions {
  /** Where dumps are made and captured, and images are read back; absolute. A directory in memory makes captures fast. */
  readonly stagingDirectory?: string;
  /** Bytes a second at most for write-back and background checks; 0: no limit. */
  readonly bytesPerSecond?: number;
  readonly log?: (message: string) => void;
}

/**
 * Checkpoint images on this host: `staging/CRID` while they are made and captured, `checkpoints/CRID` once committed.
 * A directory below `checkpoints` is whole, always: it gets there by one rename of a synced directory. Its form:
 * design/image-format.md.
 */
export interface ImageStore extends AsyncDisposable {
  /** Throws STORE_FULL where the file system has less than 16 MiB and `bytes` free. */
  requireRoom(bytes: number): Promise<void>;
  /** Makes an empty directory for the mechanism's dump; what an earlier try left there is removed. */
  stage(crid: string): Promise<string>;
  /**
   * The dump of a captured or committed checkpoint as files in a directory: where it was captured, or read back from its
   * image. It stays there until released: a removal waits. Throws CHECKPOINT_CORRUPT for an image that is damaged.
   */
  hold(crid: string): Promise<HeldImage>;
  /** Until the returned function is called, work in the background leaves the machine to what somebody waits for. */
  giveWay(): () => void;
  /** Writes the image back and lists it. Idempotent. Takes up what a killed service had written of it. */
  commit(request: CommitRequest): Promise<Committed>;
  /** Reads a packed layer back, for as long as `use` takes. Throws NOT_FOUND where the image does not hold it. */
  withLayer<T>(crid: string, layer: string, use: (file: string, kind: string) => Promise<T>): Promise<T>;
  /** Replaces the record in the manifest of a committed checkpoint (it was published, or relabelled). */
  rewrite(record: CheckpointRecord): Promise<void>;
  /** Sizes of the files of a staged dump, by their paths below its directory. */
  weigh(crid: string): Promise<Readonly<Record<string, number>>>;
  /** Removes staging and image. `isNeeded`: others point into its data, which then stays. No error where nothing is there. */
  remove(crid: string, isNeeded: boolean): Promise<void>;
  /** Rewrites an image so that it points into its own data only, or to nothing of another image. Legal once committed. */
  rewriteData(crid: string, rewriting: Rewriting): Promise<CheckpointRecord>;
  /** Checks every byte that a restore would need, and more. Throws CHECKPOINT_CORRUPT. */
  verify(crid: string, options?: Verifying): Promise<VerifiedImage>;
  /** An image as one archive. The caller releases it. */
  export(crid: string, signal: AbortSignal): Promise<ExportedImage>;
  /** Takes in such an archive; `adopt` makes the record as it is kept here. */
  import(
    chunks: AsyncIterable<Buffer>,
    adopt: (record: CheckpointRecord) => CheckpointRecord,
    signal: AbortSignal,
  ): Promise<CheckpointRecord>;
  /** What differs between two images, file by file. */
  diff(from: string, to: string): Promise<readonly FileDifference[]>;
  /** How an image is made of which data. */
  describe(crid: string): Promise<ImageMap>;
  /** Data of removed checkpoints that is still there because others point into it, or did. */
  retired(): Promise<readonly { readonly crid: string; readonly bytes: number }[]>;
  /** How many pages an image's own data holds, also where its checkpoint was removed. */
  pagesOf(crid: string): Promise<number>;
  /** How many of the pages in another image's data this image points to. */
  pagesIn(crid: string, source: string): Promise<number>;
  /** Committed images whose dump stands as files too, with the bytes they take. */
  cached(): Promise<readonly { readonly crid: string; readonly bytes: number }[]>;
  /** Removes such a dump; the image stays. False where somebody reads it, or it is not committed. */
  evict(crid: string): Promise<boolean>;
  /** Every committed CRID that is on disk. */
  list(): Promise<readonly string[]>;
  /** Throws CHECKPOINT_CORRUPT or NOT_FOUND. */
  read(crid: string): Promise<CheckpointRecord>;
  /** Removes what was left half made, but for what `keep` names. Returns what was removed. Legal only at the start. */
  sweep(keep: ReadonlySet<string>): Promise<readonly string[]>;
}

/** Opens the store below `directory`, making what is missing. */
export async function openImageStore(directory: string, options: StoreOptions = {}): Promise<ImageStore> {
  const paths = imagePaths(directory, options.stagingDirectory);
  for (const path of [paths.staging, paths.writing, paths.images]) await ensureDirectory(path);
  const engine = createEngine();
  const pace = createPace(options.bytesPerSecond ?? 0);
  const parts: StoreParts = {
    directory,
    paths,
    engine,
    index: createPageIndex(engine),
    holds: createImageHolds(),
    pins: new Map(),
    read: new Map(),
    ...(pace ? { pace } : {}),
    log: options.log ?? (() => {}),
  };
  const readingBack = new Map<string, Promise<string>>();

  /** Two who want the same image wait for one reading. */
  function locate(crid: string): Promise<string> {
    const under = readingBack.get(crid) ?? readBackDump(parts, crid).finally(() => readingBack.delete(crid));
    readingBack.set(crid, under);
    return under;
  }

  return {
    async requireRoom(bytes) {
      for (const place of new Set([directory, paths.staging])) {
        const { bavail, bsize } = await statfs(place);
        const free = bavail * bsize;
        if (free >= bytes + RESERVED_BYTES) continue;
        throw new PortLayerError('STORE_FULL', 'The store has no room for another checkpoint.', {
          required: `${bytes + RESERVED_BYTES} bytes free`,
          found: `${free} bytes free at ${place}`,
          remedy: 'Remove checkpoints you do not need (portlayer checkpoint rm) or free space otherwise.',
        });
      }
    },
    async stage(crid) {
      const path = paths.staged(crid);
      await rm(path, { recursive: true, force: true });
      await ensureDirectory(path);
      return path;
    },
    hold: crid => parts.holds.read(crid, () => locate(crid)),
    giveWay: () => engine.giveWay(),
    commit: request => commitImage(parts, request),
    async withLayer(crid, layer, use) {
      const held = await parts.holds.read(crid, async () => crid);
      try {
        return await withPackedLayer(parts, crid, layer, use);
      } finally {
        held.release();
      }
    },
    rewriteData: (crid, rewriting) => rewriteImage(parts, crid, rewriting),
    verify: (crid, verifying) => verifyImage(parts, crid, verifying),
    export: (crid, signal) => exportImage(parts, crid, signal),
    import: (chunks, adopt, signal) => importImage(parts, chunks, adopt, signal),
    diff: (from, to) => diffImages(parts, from, to),
    describe: async crid => (await readManifest(parts, crid)).image,
    retired: () => listRetired(parts),
    pagesOf: async crid => Math.floor((await readData(parts, crid)).trailerBytes / HASH_BYTES),
    pagesIn: (crid, source) =>
      withData(parts, crid, async ({ spec }) => {
        const index = spec.data.findIndex(data => data.crid === source);
        if (index < 0) return 0;
        return (await engine.ask('pagesIn', [spec, index], { priority: PRIORITY.background })).value;
      }),
    async cached() {
      const cached: { crid: string; bytes: number }[] = [];
      for (const crid of await readdir(paths.staging)) {
        if (!isUlid(crid) || !existsSync(paths.manifest(crid))) continue;
        cached.push({ crid, bytes: await bytesBelow(paths.staged(crid)) });
      }
      return cached;
    },
    async evict(crid) {
      if (!existsSync(paths.manifest(crid)) || parts.holds.isHeld(crid)) return false;
      await parts.holds.write(crid, () => rm(paths.staged(crid), { recursive: true, force: true }));
      return true;
    },
    weigh: crid => weighFiles(paths.staged(crid)),
    async rewrite(record) {
      const { image } = await readManifest(parts, record.crid);
      const text = encodeManifest({ checkpoint: record, image });
      await replaceFile(paths.manifest(record.crid), text, paths.image(record.crid));
    },
    remove: (crid, isNeeded) => removeImage(parts, crid, isNeeded),
    async list() {
      const crids: string[] = [];
      for await (const crid of imagesIn(paths)) if (existsSync(paths.manifest(crid))) crids.push(crid);
      return crids;
    },
    read: async crid => (await readManifest(parts, crid)).checkpoint,
    async sweep(keep) {
      const swept: string[] = [];
      const sameBoot = await isSameBoot(directory);
      for (const name of await readdir(paths.staging)) {
        if (keep.has(name)) continue;
        // What was read back, or captured, was never made durable: it counts only as long as the machine ran on.
        if (sameBoot && existsSync(paths.manifest(name))) continue;
        await rm(join(paths.staging, name), { recursive: true, force: true });
        swept.push(name);
      }
      for (const name of await readdir(paths.writing)) {
        if (keep.has(name)) continue;
        await rm(join(paths.writing, name), { recursive: true, force: true });
        swept.push(name);
      }
      return swept;
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** Says under which boot of the machine the files of the staging directory were written. */
const BOOT = '.staging-boot';

async function isSameBoot(directory: string): Promise<boolean> {
  const now = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown');
  const then = await readFile(join(directory, BOOT), 'utf8').catch(() => undefined);
  if (then !== now) await writeFile(join(directory, BOOT), now, { mode: 0o600 });
  return then === now && now !== 'unknown';
}
