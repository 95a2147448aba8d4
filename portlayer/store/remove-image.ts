import { existsSync, renameSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { PortLayerError } from '../errors/port-layer-error.js';
import { isUlid } from '../model/ids.js';
import { writeSynced } from './commit-image.js';
import { syncDirectory, weighFiles } from './dump-files.js';
import type { ImagePaths } from './image-paths.js';
import { encodeRetired } from './manifest.js';
import { dataKey, readManifest, type StoreParts } from './store-parts.js';

/**
 * Removes a checkpoint's image. Where others point into its data, the data stays, with no record beside it: what is
 * removed is never listed again. Idempotent.
 */
export async function removeImage(parts: StoreParts, crid: string, isNeeded: boolean): Promise<void> {
  const { paths, holds, pins } = parts;
  await holds.write(crid, async () => {
    await rm(paths.staged(crid), { recursive: true, force: true });
    await rm(paths.written(crid), { recursive: true, force: true });
    await rm(paths.layers(crid), { recursive: true, force: true });
    if ((isNeeded || pins.has(crid)) && (await retire(parts, crid))) return;
    await dropData(parts, crid);
  });
}

/** False where there is no data that could be kept. */
async function retire(parts: StoreParts, crid: string): Promise<boolean> {
  const { paths } = parts;
  if (existsSync(paths.retired(crid)) && !existsSync(paths.manifest(crid))) return true;
  try {
    const { image } = await readManifest(parts, crid);
    await writeSynced(paths.retired(crid), encodeRetired(crid, image.data));
    await syncDirectory(paths.image(crid));
    await rm(paths.manifest(crid), { force: true });
    await syncDirectory(paths.image(crid));
    return true;
  } catch (caught) {
    if (PortLayerError.from(caught).code === 'NOT_FOUND') return false;
    // A damaged manifest describes nothing: those that point into it are lost with it, and say so when they are read.
    if (PortLayerError.from(caught).code === 'CHECKPOINT_CORRUPT') return false;
    throw caught;
  }
}

/** Removes data that nobody points into; leaves what somebody has begun to point into. */
export async function dropData(parts: StoreParts, crid: string): Promise<boolean> {
  const { paths, pins, index } = parts;
  const doomed = join(paths.writing, `${crid}.doomed`);
  await rm(doomed, { recursive: true, force: true });
  // In one turn: a commit looks and pins in one turn too.
  if (pins.has(crid)) return false;
  index.forget(crid);
  if (existsSync(paths.image(crid))) renameSync(paths.image(crid), doomed);
  await syncDirectory(paths.images);
  // Whoever still reads it has opened what is left of it, or has it read by then.
  await parts.holds.write(dataKey(crid), () => rm(doomed, { recursive: true, force: true }));
  return true;
}

/** CRIDs looked at in one turn of the event loop: there may be 100,000, at some microseconds each. */
const IN_ONE_TURN = 500;

/** Every CRID that has a directory, with turns of the event loop between them. */
export async function* imagesIn({ images }: ImagePaths): AsyncIterable<string> {
  let looked = 0;
  for (const name of await readdir(images)) {
    if (++looked % IN_ONE_TURN === 0) await setImmediate();
    if (isUlid(name)) yield name;
  }
}

/** Data whose checkpoint was removed, with the bytes it takes. */
export async function listRetired({
  paths,
}: Pick<StoreParts, 'paths'>): Promise<readonly { readonly crid: string; readonly bytes: number }[]> {
  const retired: { crid: string; bytes: number }[] = [];
  for await (const crid of imagesIn(paths)) {
    if (existsSync(paths.manifest(crid)) || !existsSync(paths.retired(crid))) continue;
    retired.push({ crid, bytes: await bytesBelow(paths.image(crid)) });
  }
  return retired;
}

/** Bytes of the files in a directory, and below it. Nothing there: 0. */
export async function bytesBelow(directory: string): Promise<number> {
  const sizes = await weighFiles(directory).catch(() => ({}));
  return Object.values(sizes).reduce((sum, size) => sum + size, 0);
}

/** Makes a directory, or leaves it. */
export async function ensureDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Renames a file over another, durably. */
export async function replaceFile(path: string, text: string, directory: string): Promise<void> {
  await writeSynced(`${path}.new`, text);
  await rename(`${path}.new`, path);
  await syncDirectory(directory);
}
