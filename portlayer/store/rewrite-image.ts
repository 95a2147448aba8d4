import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { PRIORITY } from './engine/engine.js';
import { type WrittenImage, writeImage } from './engine/write-image.js';
import { HASH_BYTES } from './format/page.js';
import { dataSource } from './image-paths.js';
import { type DataFacts, encodeManifest, type ImageMap, type Manifest } from './manifest.js';
import { readBackAll } from './read-back.js';
import { replaceFile } from './remove-image.js';
import { dataKey, readManifest, type StoreParts } from './store-parts.js';

/** What an image may point to after it was rewritten. */
export interface Rewriting {
  /** `alone`: only into its own data, so that nothing else is needed. `store`: into whatever the store has, but for `without`. */
  readonly against: 'alone' | 'store';
  readonly without?: string;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes an image anew under another name of its data file, then puts the new manifest in the place of the old one in
 * one step. Every page that the old data held stays at its position: other images point there. Whoever reads the old
 * data meanwhile reads it to the end. Throws CHECKPOINT_CORRUPT, with the image as it was.
 */
export async function rewriteImage(
  parts: StoreParts,
  crid: string,
  rewriting: Rewriting,
): Promise<CheckpointRecord> {
  const { paths } = parts;
  const scratch = join(paths.writing, `${crid}.rewriting`);
  const before = await readManifest(parts, crid);
  await tidy(parts, crid, before.image.data);
  const { data } = before.image;
  const file = `data-${Number(data.file.slice('data-'.length)) + 1}`;
  const out = join(paths.image(crid), file);
  let after: Manifest | undefined;
  try {
    await rm(scratch, { recursive: true, force: true });
    await readBackAll(parts, crid, scratch, rewriting.signal);
    const keptBytes = data.bytes - data.trailerBytes;
    const from = join(paths.image(crid), data.file);
    await parts.engine.ask('copyFrames', [from, out, keptBytes], { priority: PRIORITY.background });
    if (rewriting.without !== undefined) parts.index.forget(rewriting.without);
    const written = await writeImage(parts.engine, parts.index, {
      crid,
      out,
      kept: Math.ceil(data.trailerBytes / HASH_BYTES),
      keptBytes,
      files: before.image.files.map(({ path, bytes, at }) => ({ path: join(scratch, path), bytes, at })),
      pages: before.image.pages,
      ...rewriting,
      progress: done => rewriting.progress?.(done, before.image.pages),
    });
    try {
      after = await replace(parts, before, written, file);
    } finally {
      written.end(after !== undefined);
    }
    parts.index.forget(crid);
    await parts.index.learn(dataSource(paths, crid, after.image.data));
    return after.checkpoint;
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await tidy(parts, crid, (after ?? before).image.data);
  }
}

async function replace(
  parts: StoreParts,
  before: Manifest,
  written: WrittenImage,
  file: string,
): Promise<Manifest> {
  const { crid } = before.checkpoint;
  const wrong = before.image.files.find(({ root }, index) => root !== written.roots[index]);
  if (wrong) {
    throw new PortLayerError('CHECKPOINT_CORRUPT', `The image of checkpoint ${crid} is damaged.`, {
      required: `${wrong.path} with the Merkle root ${wrong.root}`,
      found: 'another content',
      remedy: 'Restore from another checkpoint: portlayer checkpoint ls',
      facts: { crid },
    });
  }
  const { runs, sources, bytes, trailerBytes, trailerDigest } = written;
  const args = [crid, runs, sources, []] as const;
  const { value: joined } = await parts.engine.ask('join', [...args], { priority: PRIORITY.background });
  const image: ImageMap = {
    ...before.image,
    data: { file, bytes, trailerBytes, trailerDigest },
    sources: joined.sources,
    map: Buffer.from(joined.map).toString('base64'),
  };
  // It may have been published meanwhile.
  const { checkpoint } = await readManifest(parts, crid);
  const manifest: Manifest = {
    checkpoint: {
      ...checkpoint,
      ...(checkpoint.image
        ? { image: { ...checkpoint.image, storedBytes: bytes, sources: joined.sources } }
        : {}),
    },
    image,
  };
  await replaceFile(parts.paths.manifest(crid), encodeManifest(manifest), parts.paths.image(crid));
  return manifest;
}

/** Removes data files that the manifest does not name: a rewriting that was cut short, or what it replaced. */
async function tidy(parts: StoreParts, crid: string, { file }: DataFacts): Promise<void> {
  const directory = parts.paths.image(crid);
  const stray = (await readdir(directory)).filter(name => name.startsWith('data-') && name !== file);
  if (stray.length === 0) return;
  await parts.holds.write(dataKey(crid), async () => {
    for (const name of stray) await rm(join(directory, name), { force: true });
  });
}
