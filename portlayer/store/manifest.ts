import { hash } from 'node:crypto';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { isUlid } from '../model/ids.js';

/** The version of the manifest's form; separate from the program's own. Rises when an old reader would misread. */
const MANIFEST_VERSION = 2;

/** One file of an image: a file of the dump (`dump/…`) or a packed layer (`layer/ID`). */
export interface ImageFile {
  readonly path: string;
  readonly bytes: number;
  /** Its first page. */
  readonly at: number;
  /** The Merkle root over its pages: SHA-256, hex. */
  readonly root: string;
  /** Of a layer: what the executor wants to be told when it unpacks it. */
  readonly kind?: string;
  /** Of a file of the dump. */
  readonly owner?: FileOwner;
}

/** How a file or a directory of a dump stood on disk. */
export interface FileOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970, when it was last written to. */
  readonly mtimeNs: string;
}

/** A data file, as its image's manifest describes it. */
export interface DataFacts {
  /** Its name, beside the manifest: `data-1`, and another after each rewriting. */
  readonly file: string;
  readonly bytes: number;
  readonly trailerBytes: number;
  /** Of the trailer: SHA-256, hex. */
  readonly trailerDigest: string;
}

/** Where the bytes of an image are. Described in design/image-format.md. */
export interface ImageMap {
  readonly data: DataFacts;
  readonly pages: number;
  readonly files: readonly ImageFile[];
  /** Directories of the dump, by their paths below it; the dump's own is `.`. */
  readonly directories: Readonly<Record<string, FileOwner>>;
  /** CRIDs of other images whose data the map points into. */
  readonly sources: readonly string[];
  /** The chunk map, base64. */
  readonly map: string;
  /** SHA-256 over the roots of all files, hex: the image's whole content in one value. */
  readonly root: string;
}

/** The root of an image from those of its files. */
export function rootOfFiles(files: readonly ImageFile[]): string {
  return hash('sha256', files.map(({ path, bytes, root }) => `${root} ${bytes} ${path}\n`).join(''));
}

/** What describes one checkpoint beside its image: enough to list, check and restore it with no catalog. */
export interface Manifest {
  readonly checkpoint: CheckpointRecord;
  readonly image: ImageMap;
}

const DIGEST_AT = '{"version":2,"digest":"sha256:'.length;
const NO_DIGEST = '0'.repeat(64);

/** The manifest as it is written: JSON on one line, which begins with its version and a digest over the whole of it. */
export function encodeManifest({ checkpoint, image }: Manifest): string {
  const whole = { version: MANIFEST_VERSION, digest: `sha256:${NO_DIGEST}`, checkpoint, image };
  return sealed(`${JSON.stringify(whole)}\n`);
}

/** What stays of a checkpoint that was removed while others point into its data: no record, nothing that is listed. */
export function encodeRetired(crid: string, data: DataFacts): string {
  return sealed(
    `${JSON.stringify({ version: MANIFEST_VERSION, digest: `sha256:${NO_DIGEST}`, crid, data })}\n`,
  );
}

function sealed(text: string): string {
  return text.slice(0, DIGEST_AT) + hash('sha256', text) + text.slice(DIGEST_AT + NO_DIGEST.length);
}

/** Reads a manifest back. Throws CHECKPOINT_CORRUPT for one that is not whole or not of a checkpoint `crid`. */
export function decodeManifest(crid: string, text: string): Manifest {
  const { checkpoint, image } = decode(crid, text) as unknown as Partial<Manifest>;
  if (checkpoint?.crid !== crid) throw corrupt(crid, `it names ${String(checkpoint?.crid)}`);
  if (checkpoint.state !== 'committed' || !checkpoint.image || !checkpoint.spec || !isImageMap(image)) {
    throw corrupt(crid, 'parts are missing');
  }
  return { checkpoint, image };
}

/** Reads back what {@link encodeRetired} wrote. Throws CHECKPOINT_CORRUPT. */
export function decodeRetired(crid: string, text: string): DataFacts {
  const { crid: named, data } = decode(crid, text) as unknown as { crid?: string; data?: DataFacts };
  if (named !== crid || !isDataFacts(data)) throw corrupt(crid, 'parts are missing');
  return data;
}

function decode(crid: string, text: string): Record<string, unknown> {
  const version = /^\{\s*"version":\s*(\d{1,9}),/.exec(text)?.[1];
  if (version !== String(MANIFEST_VERSION))
    throw corrupt(crid, `its version is ${version ?? 'not readable'}`);
  const digest = text.slice(DIGEST_AT, DIGEST_AT + NO_DIGEST.length);
  const blank = text.slice(0, DIGEST_AT) + NO_DIGEST + text.slice(DIGEST_AT + NO_DIGEST.length);
  if (hash('sha256', blank) !== digest) throw corrupt(crid, 'it has not the digest it was written with');
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw corrupt(crid, 'it is not JSON', cause);
  }
}

/** The shape, with bounds: a manifest may come from a stranger, who can make its digest fit. */
function isImageMap(image: Partial<ImageMap> | undefined): image is ImageMap {
  if (!image || !isDataFacts(image.data) || !isCount(image.pages, 2 ** 31)) return false;
  if (typeof image.map !== 'string') return false;
  if (
    !Array.isArray(image.sources) ||
    !image.sources.every(source => typeof source === 'string' && isUlid(source))
  )
    return false;
  let next = 0;
  return (
    Array.isArray(image.files) &&
    image.files.every((file: Partial<ImageFile>) => {
      if (!isSafePath(file.path) || !isCount(file.bytes, 2 ** 43) || file.at !== next) return false;
      if (!isDigest(file.root) || !isKind(file.kind) || (file.owner && !isOwner(file.owner))) return false;
      next += Math.ceil(file.bytes / 4096);
      return next <= image.pages!;
    }) &&
    next === image.pages &&
    image.root === rootOfFiles(image.files) &&
    Object.entries(image.directories ?? { '..': {} }).every(
      ([path, owner]) => (path === '.' || isSafePath(`dump/${path}`)) && isOwner(owner),
    )
  );
}

function isDataFacts(data: Partial<DataFacts> | undefined): data is DataFacts {
  return (
    data !== undefined &&
    /^data-\d{1,9}$/.test(data.file ?? '') &&
    isCount(data.bytes, 2 ** 43) &&
    isCount(data.trailerBytes, data.bytes) &&
    isDigest(data.trailerDigest)
  );
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function isKind(kind: unknown): boolean {
  return kind === undefined || (typeof kind === 'string' && /^[a-z0-9-]{1,32}$/.test(kind));
}

function isOwner({ mode, uid, gid, mtimeNs }: Partial<FileOwner>): boolean {
  return (
    isCount(mode, 0o7777) &&
    isCount(uid, 2 ** 32) &&
    isCount(gid, 2 ** 32) &&
    /^\d{1,19}$/.test(mtimeNs ?? '')
  );
}

function isCount(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** `dump/` or `layer/` and names none of which leads out. */
function isSafePath(path: unknown): path is string {
  if (typeof path !== 'string' || path.length > 4096 || path.includes('\0')) return false;
  const [top, ...names] = path.split('/');
  if ((top !== 'dump' && top !== 'layer') || names.length === 0) return false;
  return names.every(name => name !== '' && name !== '.' && name !== '..');
}

function corrupt(crid: string, found: string, cause?: unknown): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', `The manifest of checkpoint ${crid} cannot be used.`, {
    required: `a whole manifest of version ${MANIFEST_VERSION}`,
    found,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
    facts: { crid },
    cause,
  });
}
