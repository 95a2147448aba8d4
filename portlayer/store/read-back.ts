import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PortLayerError } from '../errors/port-layer-error.js';
import { giveBack, makeDumpDirectories } from './dump-files.js';
import { PRIORITY } from './engine/engine.js';
import { readImage } from './engine/read-image.js';
import type { TargetFile } from './engine/read-work.js';
import { pagesOf } from './format/page.js';
import type { FileOwner, ImageFile } from './manifest.js';
import { readManifest, type StoreParts, withData } from './store-parts.js';

/**
 * Where a committed image's dump stands as files again: as it was captured, or read back now. Throws NOT_FOUND,
 * CHECKPOINT_CORRUPT.
 */
export async function readBackDump(parts: StoreParts, crid: string, signal?: AbortSignal): Promise<string> {
  const { paths } = parts;
  const staged = paths.staged(crid);
  if (await isThere(staged)) return staged;
  const { image } = await readManifest(parts, crid);
  const partial = `${staged}.new`;
  await rm(partial, { recursive: true, force: true });
  const dump = image.files.filter(file => file.path.startsWith('dump/'));
  try {
    await makeDumpDirectories(partial, Object.keys(image.directories));
    const targets = dump.map(({ path, bytes, at }) => ({ path: join(partial, below(path)), bytes, at }));
    await read(parts, crid, targets, signal);
    const owners: Record<string, FileOwner> = { ...image.directories };
    for (const { path, owner } of dump) if (owner) owners[below(path)] = owner;
    await giveBack(partial, owners);
    await rename(partial, staged);
    return staged;
  } catch (caught) {
    await rm(partial, { recursive: true, force: true });
    throw aboutCheckpoint(crid, caught);
  }
}

/** Reads a layer back as the file it was packed into, for as long as `use` takes. Throws NOT_FOUND, CHECKPOINT_CORRUPT. */
export async function withPackedLayer<T>(
  parts: StoreParts,
  crid: string,
  layer: string,
  use: (file: string, kind: string) => Promise<T>,
): Promise<T> {
  const { image } = await readManifest(parts, crid);
  const file = image.files.find(({ path }) => path === `layer/${layer}`);
  if (!file) {
    throw new PortLayerError(
      'NOT_FOUND',
      `The image of checkpoint ${crid} does not hold the layer ${layer}.`,
      {
        remedy: 'Restore from another checkpoint: portlayer checkpoint ls',
        facts: { crid, layer },
      },
    );
  }
  const path = join(parts.paths.layers(crid), `${layer}.back`);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await read(parts, crid, [{ path, bytes: file.bytes, at: file.at }]);
    return await use(path, file.kind ?? '');
  } catch (caught) {
    throw aboutCheckpoint(crid, caught);
  } finally {
    await rm(path, { force: true });
  }
}

/** Reads every file of an image into `directory`: `dump/…` and `layer/ID`. */
export async function readBackAll(
  parts: StoreParts,
  crid: string,
  directory: string,
  signal?: AbortSignal,
): Promise<readonly ImageFile[]> {
  const { image } = await readManifest(parts, crid);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const targets = image.files.map(({ path, bytes, at }) => ({ path: join(directory, path), bytes, at }));
  await read(parts, crid, targets, signal, PRIORITY.background);
  return image.files;
}

async function read(
  parts: StoreParts,
  crid: string,
  targets: readonly TargetFile[],
  signal?: AbortSignal,
  priority: number = PRIORITY.restore,
): Promise<void> {
  const [first, last] = [targets[0], targets.at(-1)];
  const range = first && last ? ([first.at, last.at + pagesOf(last.bytes)] as const) : ([0, 0] as const);
  await withData(parts, crid, async ({ spec }) =>
    readImage(parts.engine, { ...spec, range }, targets, { priority, ...(signal ? { signal } : {}) }),
  );
}

function below(path: string): string {
  return path.slice('dump/'.length);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** An error of the engine, said of the checkpoint that it is about. */
export function aboutCheckpoint(crid: string, caught: unknown): unknown {
  if (!(caught instanceof PortLayerError) || caught.code !== 'CHECKPOINT_CORRUPT') return caught;
  if (caught.facts.crid !== undefined) return caught; // It says which one already.
  return new PortLayerError('CHECKPOINT_CORRUPT', `The image of checkpoint ${crid} is damaged.`, {
    required: caught.required ?? 'every byte as it was committed',
    found: caught.found ?? caught.message,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
    facts: { ...caught.facts, crid },
    cause: caught,
  });
}
