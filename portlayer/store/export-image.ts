import { hash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { PRIORITY } from './engine/engine.js';
import { writeImage } from './engine/write-image.js';
import { encodeManifest, type ImageMap } from './manifest.js';
import { type ArchiveEntry, archiveBytes, archiveFrom, fileDigest, fileEntry } from './oci-archive.js';
import { readBackAll } from './read-back.js';
import { readManifest, type StoreParts } from './store-parts.js';

/** The kinds of what an exported checkpoint is made of, beside OCI's own. */
export const MEDIA_TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  checkpoint: 'application/vnd.portlayer.checkpoint.manifest.v2+json',
  data: 'application/vnd.portlayer.checkpoint.data.v1',
} as const;

/** An archive that is being made. */
export interface ExportedImage {
  readonly bytes: number;
  chunks(offset: number, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Removes what it is made of. */
  release(): Promise<void>;
}

let exports = 0;

/**
 * A committed image as a tar that is a valid OCI image layout: its manifest as the configuration, its data, complete in
 * itself, as the one layer. The same image makes the same bytes, so that an export that was cut short can go on.
 */
export async function exportImage(
  parts: StoreParts,
  crid: string,
  signal: AbortSignal,
): Promise<ExportedImage> {
  const scratch = join(parts.paths.writing, `${crid}.export-${++exports}`);
  const release = (): Promise<void> => rm(scratch, { recursive: true, force: true });
  try {
    await mkdir(scratch, { mode: 0o700 });
    const { checkpoint, image } = await readManifest(parts, crid);
    await readBackAll(parts, crid, join(scratch, 'files'), signal);
    const out = join(scratch, 'data');
    const written = await writeImage(parts.engine, parts.index, {
      crid,
      out,
      kept: 0,
      files: image.files.map(({ path, bytes, at }) => ({ path: join(scratch, 'files', path), bytes, at })),
      pages: image.pages,
      against: 'alone',
      inOrder: true,
      signal,
    });
    written.end(true);
    await rm(join(scratch, 'files'), { recursive: true, force: true });
    const { bytes, trailerBytes, trailerDigest } = written;
    const args = [crid, written.runs, written.sources, []] as const;
    const { value: joined } = await parts.engine.ask('join', [...args], { priority: PRIORITY.background });
    const alone: ImageMap = {
      ...image,
      data: { file: 'data-1', bytes, trailerBytes, trailerDigest },
      sources: [],
      map: Buffer.from(joined.map).toString('base64'),
    };
    const manifest = Buffer.from(encodeManifest({ checkpoint: portable(checkpoint, bytes), image: alone }));
    const entries = await layout(checkpoint, manifest, out);
    return {
      bytes: archiveBytes(entries),
      chunks: (offset, until) => archiveFrom(entries, offset, until),
      release,
    };
  } catch (caught) {
    await release();
    throw caught;
  }
}

/** The record without what is said of it here alone. */
function portable(record: CheckpointRecord, storedBytes: number): CheckpointRecord {
  const { published: _, pinned: __, verified: ___, quarantined: ____, ...rest } = record;
  return { ...rest, ...(rest.image ? { image: { ...rest.image, sources: [], storedBytes } } : {}) };
}

async function layout(
  checkpoint: CheckpointRecord,
  manifest: Buffer,
  data: string,
): Promise<readonly ArchiveEntry[]> {
  const dataDigest = await fileDigest(data);
  const dataEntry = await fileEntry(`blobs/sha256/${dataDigest}`, data);
  const dataBytes = Buffer.isBuffer(dataEntry.content) ? 0 : dataEntry.content.bytes;
  const image = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    artifactType: MEDIA_TYPES.checkpoint,
    config: {
      mediaType: MEDIA_TYPES.checkpoint,
      digest: `sha256:${hash('sha256', manifest)}`,
      size: manifest.length,
    },
    layers: [{ mediaType: MEDIA_TYPES.data, digest: `sha256:${dataDigest}`, size: dataBytes }],
    annotations: {
      'org.portlayer.checkpoint.crid': checkpoint.crid,
      'org.portlayer.checkpoint.container': checkpoint.container,
      'org.portlayer.checkpoint.mechanism': checkpoint.mechanism,
      'org.opencontainers.image.created': new Date(checkpoint.createdAtMs).toISOString(),
    },
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        mediaType: MEDIA_TYPES.manifest,
        digest: `sha256:${hash('sha256', image)}`,
        size: image.length,
        annotations: { 'org.opencontainers.image.ref.name': checkpoint.crid },
      },
    ],
  });
  return [
    { name: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: index },
    blob(image),
    blob(manifest),
    dataEntry,
  ];
}

function blob(content: Buffer): ArchiveEntry {
  return { name: `blobs/sha256/${hash('sha256', content)}`, content };
}

function json(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
