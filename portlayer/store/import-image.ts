import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUlid } from '../model/ids.js';
import { checkLayerArchive } from './check-layer-archive.js';
import { writeSynced } from './commit-image.js';
import { syncDirectory } from './dump-files.js';
import { PRIORITY } from './engine/engine.js';
import { checkSource, readImage } from './engine/read-image.js';
import type { ReadSpec } from './engine/read-plan.js';
import { MEDIA_TYPES } from './export-image.js';
import { pagesOf } from './format/page.js';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.js';
import { fileDigest, takeApart } from './oci-archive.js';
import type { StoreParts } from './store-parts.js';

/** No JSON of an archive is longer. */
const MOST_JSON = 64 * 2 ** 20;
/** Files that an archive of ours has. */
const MOST_ENTRIES = 16;

let imports = 0;

/**
 * Takes in an archive that `exportImage` made. Nothing is listed before all of it was checked: digests, manifest, every
 * page, and what its layers would unpack. `adopt` makes the record as it is to be kept here. Throws CHECKPOINT_CORRUPT,
 * INVALID_SPEC for what is no such archive, ALREADY_EXISTS.
 */
export async function importImage(
  parts: StoreParts,
  chunks: AsyncIterable<Buffer>,
  adopt: (record: CheckpointRecord) => CheckpointRecord,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const { paths } = parts;
  const scratch = join(paths.writing, `import-${++imports}`);
  try {
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    await unpackLayout(chunks, scratch);
    const { manifest, data } = await readLayout(scratch);
    const { crid } = manifest.checkpoint;
    if (existsSync(paths.image(crid))) throw exists(crid);
    await checkWhole(parts, manifest, data, scratch, signal);
    const image = join(scratch, 'image');
    await mkdir(image, { mode: 0o700 });
    await rename(data, join(image, manifest.image.data.file));
    const record = adopt(manifest.checkpoint);
    await writeSynced(join(image, 'manifest.json'), encodeManifest({ ...manifest, checkpoint: record }));
    await syncFile(join(image, manifest.image.data.file));
    await syncDirectory(image);
    if (existsSync(paths.image(crid))) throw exists(crid);
    await rename(image, paths.image(crid));
    await syncDirectory(paths.images);
    return record;
  } catch (caught) {
    throw caught instanceof RangeError || caught instanceof SyntaxError
      ? notOurs(caught.message, caught)
      : caught;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function unpackLayout(chunks: AsyncIterable<Buffer>, scratch: string): Promise<void> {
  let entries = 0;
  return takeApart(chunks, {
    accept(name, bytes) {
      if (++entries > MOST_ENTRIES) throw new RangeError('the archive has too many files');
      const plain = name === 'oci-layout' || name === 'index.json';
      if (!plain && !/^blobs\/sha256\/[0-9a-f]{64}$/.test(name))
        throw new RangeError(`it has the file ${name}`);
      if (plain && bytes > MOST_JSON) throw new RangeError(`${name} is too long`);
      return { path: join(scratch, basename(name)) };
    },
  });
}

interface Descriptor {
  readonly mediaType?: unknown;
  readonly digest?: unknown;
  readonly size?: unknown;
}

async function readLayout(scratch: string): Promise<{ manifest: Manifest; data: string }> {
  const layout = (await readJson(join(scratch, 'oci-layout'))) as { imageLayoutVersion?: unknown };
  if (layout.imageLayoutVersion !== '1.0.0') throw new RangeError('its layout has another version');
  const index = (await readJson(join(scratch, 'index.json'))) as { manifests?: Descriptor[] };
  const image = (await readJson(await blobOf(scratch, index.manifests?.[0], MEDIA_TYPES.manifest))) as {
    config?: Descriptor;
    layers?: Descriptor[];
  };
  const text = await readText(await blobOf(scratch, image.config, MEDIA_TYPES.checkpoint));
  const named = (JSON.parse(text) as { checkpoint?: { crid?: unknown } }).checkpoint?.crid;
  if (typeof named !== 'string' || !isUlid(named)) throw new RangeError('it names no checkpoint');
  const manifest = decodeManifest(named, text);
  if (manifest.image.sources.length > 0) throw new RangeError('its image needs others');
  return { manifest, data: await blobOf(scratch, image.layers?.[0], MEDIA_TYPES.data) };
}

/** Where a blob is, once its digest was held against its name. */
async function blobOf(scratch: string, of: Descriptor | undefined, mediaType: string): Promise<string> {
  const digest = typeof of?.digest === 'string' ? /^sha256:([0-9a-f]{64})$/.exec(of.digest)?.[1] : undefined;
  if (digest === undefined || of?.mediaType !== mediaType) throw new RangeError(`it has no ${mediaType}`);
  const path = join(scratch, digest);
  if (!existsSync(path)) throw new RangeError(`the blob ${digest} is missing`);
  if ((await fileDigest(path)) !== digest) {
    throw new PortLayerError('CHECKPOINT_CORRUPT', 'The archive is damaged.', {
      required: `a blob with the digest ${digest}`,
      found: 'another content',
      remedy: 'Export it again.',
    });
  }
  return path;
}

/** Every byte of the data, the roots of every file, and every name that a layer would unpack. */
async function checkWhole(
  parts: StoreParts,
  manifest: Manifest,
  data: string,
  scratch: string,
  signal: AbortSignal,
): Promise<void> {
  const { checkpoint, image } = manifest;
  const source = { crid: checkpoint.crid, path: data, ...image.data };
  const spec: ReadSpec = {
    map: Buffer.from(image.map, 'base64'),
    pages: image.pages,
    data: [source],
    range: [0, image.pages],
  };
  const reading = { priority: PRIORITY.background, signal };
  await checkSource(parts.engine, source, reading);
  const places = image.files.map(({ at, bytes }) => [at, pagesOf(bytes)] as const);
  const { value: roots } = await parts.engine.ask('roots', [spec, places], reading);
  if (!image.files.every(({ root }, index) => root === roots[index]))
    throw new RangeError('a file has another root');
  for (const { bytes, at } of image.files.filter(file => file.path.startsWith('layer/'))) {
    const layer = join(scratch, 'layer');
    const range = [at, at + pagesOf(bytes)] as const;
    await readImage(parts.engine, { ...spec, range }, [{ path: layer, bytes, at }], reading);
    await checkLayerArchive(layer);
    await rm(layer);
  }
}

async function readJson(path: string): Promise<object> {
  const value: unknown = JSON.parse(await readText(path));
  if (typeof value === 'object' && value !== null) return value;
  throw new RangeError(`${basename(path)} is no object`);
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  if (bytes.length > MOST_JSON) throw new RangeError(`${basename(path)} is too long`);
  return bytes.toString('utf8');
}

async function syncFile(path: string): Promise<void> {
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'r+');
  await file.sync().finally(() => file.close());
}

function exists(crid: string): PortLayerError {
  return new PortLayerError('ALREADY_EXISTS', `The checkpoint ${crid} is here already.`, {
    required: 'a checkpoint that is not here',
    found: crid,
    remedy: `Use the one that is here: portlayer checkpoint inspect ${crid}`,
    facts: { crid },
  });
}

function notOurs(found: string, cause: Error): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The archive is no exported checkpoint.', {
    required: 'what portlayer checkpoint export writes',
    found: found.slice(0, 500),
    remedy: 'Export the checkpoint again, and import the whole file.',
    facts: { field: 'data' },
    cause,
  });
}
