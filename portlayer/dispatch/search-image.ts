import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { type Core, executorOf } from './core.js';
import { bringLayersBack } from './layer-cache.js';
import { type KnownSecret, knownSecrets } from './secrets.js';

/** Where a secret's value is in an image; never the value itself. */
export interface Found {
  readonly secret: string;
  /** `image FILE at OFFSET` or `layer LAYER FILE at OFFSET`. */
  readonly place: string;
}

/** So much is read at a time. */
const CHUNK = 4 * 1024 * 1024;
/** So many places are told: one would be enough to refuse. */
const MOST_PLACES = 20;

/**
 * Looks for every value that was injected into the container of a checkpoint, and into those it descends from, in the
 * files of its image and of every layer that a restore stacks. Finds values that lie in one piece; a value that a page
 * boundary cuts, or that was encoded, is not found.
 */
export async function searchImage(core: Core, record: CheckpointRecord): Promise<readonly Found[]> {
  const secrets = await knownSecrets(core, record.containerUid, record.spec);
  if (secrets.length === 0) return [];
  const held = await core.store.hold(record.crid);
  try {
    const found: Found[] = [];
    await searchTree(held.directory, 'image ', secrets, found);
    // A layer that only the image holds would not be looked into.
    await bringLayersBack(core, record);
    const { disk } = executorOf(core, record.spec);
    for (const layer of record.image?.layers ?? []) {
      const directory = await disk.locate?.(layer);
      if (directory !== undefined) await searchTree(directory, `layer ${layer} `, secrets, found);
    }
    return found;
  } finally {
    held.release();
  }
}

async function searchTree(
  root: string,
  label: string,
  secrets: readonly KnownSecret[],
  found: Found[],
): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || found.length >= MOST_PLACES) continue;
    const path = join(entry.parentPath, entry.name);
    // The manifest holds the spec, which has no values.
    const name = path.slice(root.length + 1);
    await searchFile(path, `${label}${name}`, secrets, found);
  }
}

async function searchFile(
  path: string,
  label: string,
  secrets: readonly KnownSecret[],
  found: Found[],
): Promise<void> {
  const overlap = Math.max(...secrets.map(secret => secret.value.length)) - 1;
  const buffer = Buffer.allocUnsafe(CHUNK + overlap);
  const file = await open(path, 'r');
  try {
    let kept = 0;
    for (let offset = 0; ; ) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK, offset);
      if (bytesRead === 0) return;
      const window = buffer.subarray(0, kept + bytesRead);
      for (const { name, value } of secrets) {
        const at = window.indexOf(value);
        if (at < 0 || found.length >= MOST_PLACES) continue;
        const place = `${label} at ${offset - kept + at}`;
        if (!found.some(each => each.place === place)) found.push({ secret: name, place });
      }
      offset += bytesRead;
      kept = Math.min(overlap, window.length);
      buffer.copyWithin(0, window.length - kept, window.length);
    }
  } finally {
    await file.close();
  }
}
