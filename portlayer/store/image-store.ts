import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUlid } from '../model/ids.js';
import { type DumpFile, sealFiles, syncDirectory, weighFiles } from './dump-files.js';
import { createImageHolds, type HeldImage } from './image-holds.js';
import { decodeManifest, encodeManifest } from './manifest.js';

/** Less than this, and no checkpoint is begun: room for the catalog and for manifests must stay. */
const RESERVED_BYTES = 16 * 1024 * 1024;

/**
 * Checkpoint images on this host: `staging/CRID` while they are made and captured, `checkpoints/CRID` once
 * committed. A directory below `checkpoints` is whole, always: it gets there by one rename of a synced directory.
 */
export interface ImageStore {
  /** Throws STORE_FULL where the file system has less than 16 MiB and `bytes` free. */
  requireRoom(bytes: number): Promise<void>;
  /** Makes an empty directory for the mechanism's dump; what an earlier try left there is removed. */
  stage(crid: string): Promise<string>;
  /** Where the dump of a captured or committed checkpoint is. It stays there until released: a commit or a removal waits. */
  hold(crid: string): Promise<HeldImage>;
  /** Writes the manifest, syncs, renames. `record` is as it is to be read back: state `committed`. Idempotent. */
  commit(record: CheckpointRecord): Promise<void>;
  /** Replaces the manifest of a committed checkpoint (it was published, or relabelled). */
  rewrite(record: CheckpointRecord): Promise<void>;
  /** Sizes of the files of a staged dump, by their paths below its directory. */
  weigh(crid: string): Promise<Readonly<Record<string, number>>>;
  /** Makes a staged dump's files durable, and tells their sizes. Undefined where it was committed already. */
  seal(crid: string): Promise<Readonly<Record<string, DumpFile>> | undefined>;
  /** Removes staging and image, the manifest first. No error where nothing is there. */
  remove(crid: string): Promise<void>;
  /** Every committed CRID that is on disk. */
  list(): Promise<readonly string[]>;
  /** Throws CHECKPOINT_CORRUPT or NOT_FOUND. */
  read(crid: string): Promise<CheckpointRecord>;
  /** Removes staged directories that `keep` does not name. Returns what was removed. */
  sweep(keep: ReadonlySet<string>): Promise<readonly string[]>;
}

/** Opens the store below `directory`, making what is missing. */
export async function openImageStore(directory: string): Promise<ImageStore> {
  const staging = join(directory, 'staging');
  const images = join(directory, 'checkpoints');
  await mkdir(staging, { recursive: true, mode: 0o700 });
  await mkdir(images, { recursive: true, mode: 0o700 });
  const holds = createImageHolds();
  return {
    async requireRoom(bytes) {
      const { bavail, bsize } = await statfs(directory);
      const free = bavail * bsize;
      if (free >= bytes + RESERVED_BYTES) return;
      throw new PortLayerError('STORE_FULL', 'The store has no room for another checkpoint.', {
        required: `${bytes + RESERVED_BYTES} bytes free`,
        found: `${free} bytes free at ${directory}`,
        remedy: 'Remove checkpoints you do not need (portlayer checkpoint rm) or free space otherwise.',
      });
    },
    async stage(crid) {
      const path = join(staging, crid);
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { mode: 0o700 });
      return path;
    },
    hold: crid =>
      holds.read(crid, async () => {
        const committed = join(images, crid);
        const there = await stat(committed).then(
          () => true,
          () => false,
        );
        return there ? committed : join(staging, crid);
      }),
    weigh: crid => weighFiles(join(staging, crid)),
    seal: crid => sealFiles(join(staging, crid)).catch(caught => nothingIfMoved(caught)),
    async commit(record) {
      const from = join(staging, record.crid);
      const to = join(images, record.crid);
      try {
        await writeSynced(join(from, 'manifest.json'), encodeManifest(record));
        await syncDirectory(from);
        await holds.write(record.crid, () => rename(from, to));
      } catch (caught) {
        // A repetition after the rename: what is there is whole.
        if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
        await readFile(join(to, 'manifest.json'));
      }
      await syncDirectory(images);
    },
    async rewrite(record) {
      const path = join(images, record.crid, 'manifest.json');
      await writeSynced(`${path}.new`, encodeManifest(record));
      await rename(`${path}.new`, path);
      await syncDirectory(join(images, record.crid));
    },
    async remove(crid) {
      await holds.write(crid, async () => {
        await rm(join(images, crid, 'manifest.json'), { force: true });
        await rm(join(images, crid), { recursive: true, force: true });
        await rm(join(staging, crid), { recursive: true, force: true });
      });
    },
    async list() {
      return (await readdir(images)).filter(isUlid);
    },
    async read(crid) {
      try {
        return decodeManifest(crid, await readFile(join(images, crid, 'manifest.json'), 'utf8'));
      } catch (caught) {
        if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
        throw new PortLayerError('NOT_FOUND', `Checkpoint ${crid} has no manifest.`, {
          facts: { crid },
          cause: caught,
        });
      }
    },
    async sweep(keep) {
      const stale = (await readdir(staging)).filter(name => !keep.has(name));
      for (const name of stale) await rm(join(staging, name), { recursive: true, force: true });
      return stale;
    },
  };
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A commit that was cut short after its rename has nothing to seal any more. */
function nothingIfMoved(caught: unknown): undefined {
  if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
}
