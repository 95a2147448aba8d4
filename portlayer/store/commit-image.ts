import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUlid } from '../model/ids.js';
import { type DumpFile, listDump, syncDirectory } from './dump-files.js';
import { PRIORITY } from './engine/engine.js';
import type { Inherited, JoinedMap } from './engine/join-maps.js';
import { type ImageToWrite, type WrittenImage, writeImage } from './engine/write-image.js';
import { pagesOf } from './format/page.js';
import { dataSource } from './image-paths.js';
import { encodeManifest, type ImageFile, type ImageMap, rootOfFiles } from './manifest.js';
import { readData, readManifest, type StoreParts } from './store-parts.js';

/** One layer that a checkpoint's restore stacks. */
export interface LayerToStore {
  readonly id: string;
  /** Packs it into one file. What it returns is handed back when it is unpacked. */
  pack(file: string): Promise<string>;
}

/** What a commit stores, and how. */
export interface CommitRequest {
  readonly crid: string;
  /** Oldest first. Those that an image already holds are taken over from there. */
  readonly layers: readonly LayerToStore[];
  /** The checkpoint before it: most of its pages are there. */
  readonly parent?: string;
  /** Makes the record as it is to be read back, in state `committed`, of what was stored. */
  readonly record: (stored: StoredFacts) => CheckpointRecord;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What a commit came to. */
export interface StoredFacts {
  /** Files of the dump, by their paths below its directory. */
  readonly files: Readonly<Record<string, DumpFile>>;
  /** Bytes that it added to the store. */
  readonly storedBytes: number;
  /** Other images that it points into. */
  readonly sources: readonly string[];
}

/** What a commit made. */
export interface Committed {
  readonly record: CheckpointRecord;
  /** To be called when the record is listed: until then nothing that it points into is removed. */
  release(): void;
}

/** Images whose pages are looked into before a commit, beside the parent's: the newest. */
const NEWEST = 512;
/** A source may be removed while an image is written that points to it; then it is written again. */
const TRIES = 3;

/** Writes an image back and lists it. Idempotent. Takes up what a killed service had written of it. */
export async function commitImage(parts: StoreParts, request: CommitRequest): Promise<Committed> {
  const { crid } = request;
  for (let attempt = 1; ; attempt++) {
    const before = await readManifest(parts, crid).catch(caught => {
      if (PortLayerError.from(caught).code !== 'NOT_FOUND') throw caught;
    });
    if (before) return { record: before.checkpoint, release: pin(parts, before.image.sources) };
    const committed = await tryCommit(parts, request);
    if (committed) return committed;
    if (attempt === TRIES) throw new Error(`what ${crid} points to went away ${TRIES} times`);
  }
}

/** Undefined where a source went away meanwhile. */
async function tryCommit(parts: StoreParts, request: CommitRequest): Promise<Committed | undefined> {
  const { paths } = parts;
  const { crid } = request;
  const directory = paths.written(crid);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await learnNear(parts, request.parent);
  const content = await contentOf(parts, request);
  const out = join(directory, 'data-1');
  const kept = await stat(out).then(
    // No frame is smaller than its header: so many positions at most, and no more than the image has.
    ({ size }) => (size > 64 ? content.pages + 1024 : 0),
    () => 0,
  );
  const image: ImageToWrite = {
    crid,
    out,
    kept,
    files: content.files,
    pages: content.pages,
    against: 'store',
    ...(parts.pace ? { pace: parts.pace } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
    progress: done => request.progress?.(done, content.pages),
  };
  const written = await writeImage(parts.engine, parts.index, image);
  let committed = false;
  try {
    const joined = await joinMaps(parts, crid, written, content.inherited);
    // From here on in one turn: whoever removes data looks at the pins in one turn too.
    if (!joined.sources.every(source => existsSync(paths.image(source)))) return undefined;
    const release = pin(parts, joined.sources);
    try {
      const map = imageMap(content, written, joined);
      const record = request.record({
        files: content.dump,
        storedBytes: written.bytes,
        sources: joined.sources,
      });
      await writeSynced(join(directory, 'manifest.json'), encodeManifest({ checkpoint: record, image: map }));
      await syncDirectory(directory);
      await rename(directory, paths.image(crid));
      await syncDirectory(paths.images);
      committed = true;
      return { record, release };
    } catch (caught) {
      release();
      throw caught;
    }
  } finally {
    written.end(committed);
    await rm(paths.layers(crid), { recursive: true, force: true });
  }
}

async function joinMaps(
  parts: StoreParts,
  crid: string,
  written: WrittenImage,
  inherited: readonly Inherited[],
): Promise<JoinedMap> {
  const args = [crid, written.runs, written.sources, inherited] as const;
  return (await parts.engine.ask('join', [...args], { priority: PRIORITY.commit })).value;
}

/** Keeps data from being removed. Returns how to let go. */
function pin({ pins }: StoreParts, sources: readonly string[]): () => void {
  for (const source of sources) pins.set(source, (pins.get(source) ?? 0) + 1);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    for (const source of sources) {
      const left = (pins.get(source) ?? 1) - 1;
      if (left > 0) pins.set(source, left);
      else pins.delete(source);
    }
  };
}

interface Content {
  /** What the engine reads, in the order of pages. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly at: number }[];
  /** The same files as the manifest names them, and after them those that are taken over. */
  readonly named: readonly Omit<ImageFile, 'root'>[];
  readonly roots: readonly string[];
  readonly directories: ImageMap['directories'];
  /** Pages that the engine reads. */
  readonly pages: number;
  readonly allPages: number;
  readonly inherited: readonly Inherited[];
  readonly dump: Readonly<Record<string, DumpFile>>;
}

/** Lays the files of a dump and its packed layers out in one space of pages; layers that are stored already come last. */
async function contentOf(parts: StoreParts, request: CommitRequest): Promise<Content> {
  const { paths } = parts;
  const { crid } = request;
  const staged = paths.staged(crid);
  const dump = await listDump(staged);
  const files: { path: string; bytes: number; at: number }[] = [];
  const named: Omit<ImageFile, 'root'>[] = [];
  let at = 0;
  for (const { path, bytes, owner } of dump.files) {
    files.push({ path: join(staged, path), bytes, at });
    named.push({ path: `dump/${path}`, bytes, at, owner });
    at += pagesOf(bytes);
  }
  const stored = await storedLayers(parts, request);
  for (const layer of request.layers) {
    if (stored.has(layer.id)) continue;
    const path = join(paths.layers(crid), layer.id);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const kind = await layer.pack(path);
    const { size: bytes } = await stat(path);
    files.push({ path, bytes, at });
    named.push({ path: `layer/${layer.id}`, bytes, at, kind });
    at += pagesOf(bytes);
  }
  const pages = at;
  const inherited: Inherited[] = [];
  const roots: string[] = [];
  for (const { id } of request.layers) {
    const from = stored.get(id);
    if (!from) continue;
    const { file, image } = from;
    const range = [file.at, file.at + pagesOf(file.bytes)] as const;
    named.push({ path: file.path, bytes: file.bytes, at, ...(file.kind ? { kind: file.kind } : {}) });
    roots.push(file.root);
    inherited.push({
      crid: from.crid,
      map: Buffer.from(image.map, 'base64'),
      pages: image.pages,
      sources: image.sources,
      ranges: [range],
    });
    at += pagesOf(file.bytes);
  }
  return {
    files,
    named,
    roots,
    directories: Object.fromEntries(dump.directories.map(({ path, owner }) => [path, owner])),
    pages,
    allPages: at,
    inherited,
    dump: Object.fromEntries(dump.files.map(({ path, bytes }) => [path, { bytes }])),
  };
}

interface StoredLayer {
  readonly crid: string;
  readonly image: ImageMap;
  readonly file: ImageFile;
}

/** Which of the layers an image holds already: the parent's, or that of the checkpoint that froze it. */
async function storedLayers(
  parts: StoreParts,
  { crid, layers, parent }: CommitRequest,
): Promise<ReadonlyMap<string, StoredLayer>> {
  const found = new Map<string, StoredLayer>();
  const look = async (image: string | undefined): Promise<void> => {
    if (image === undefined || image === crid || !existsSync(parts.paths.manifest(image))) return;
    const manifest = await readManifest(parts, image).catch(() => undefined);
    for (const file of manifest?.image.files ?? []) {
      const [top, id] = file.path.split('/');
      if (top === 'layer' && id !== undefined && !found.has(id))
        found.set(id, { crid: image, image: manifest!.image, file });
    }
  };
  await look(parent);
  for (const { id } of layers) if (!found.has(id)) await look(id);
  return found;
}

function imageMap(content: Content, written: WrittenImage, joined: JoinedMap): ImageMap {
  const roots = [...written.roots, ...content.roots];
  const files = content.named.map((file, index): ImageFile => ({ ...file, root: roots[index]! }));
  const { bytes, trailerBytes, trailerDigest } = written;
  return {
    data: { file: 'data-1', bytes, trailerBytes, trailerDigest },
    pages: content.allPages,
    files,
    directories: content.directories,
    sources: joined.sources,
    map: Buffer.from(joined.map).toString('base64'),
    root: rootOfFiles(files),
  };
}

/** Makes the pages known that the new image most likely repeats: the parent's, then those of the newest images. */
async function learnNear(parts: StoreParts, parent: string | undefined): Promise<void> {
  const near = new Set<string>();
  const manifest =
    parent === undefined ? undefined : await readManifest(parts, parent).catch(() => undefined);
  if (manifest && parent !== undefined)
    for (const crid of [parent, ...manifest.image.sources]) near.add(crid);
  if (!newestKnown.has(parts.index)) {
    newestKnown.add(parts.index);
    const all = (await readdir(parts.paths.images)).filter(isUlid).sort().reverse();
    for (const crid of all.slice(0, NEWEST)) near.add(crid);
  }
  for (const crid of near) {
    if (parts.index.knows(crid)) continue;
    try {
      await parts.index.learn(dataSource(parts.paths, crid, await readData(parts, crid)));
    } catch (caught) {
      // Its pages are stored once more; that it is damaged is told by whoever reads it.
      if (!isErrno(caught)) parts.log(`image ${crid}: ${PortLayerError.from(caught).message}`);
    }
  }
}

/** Indexes that have seen what was there when the service started; from then on they see what is written. */
const newestKnown = new WeakSet<object>();

/** Writes a file whole and makes it durable. */
export async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
