import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../../../portlayer/model/container-spec.js';
import { newUlid } from '../../../../portlayer/model/ids.js';
import type { StoredFacts } from '../../../../portlayer/store/commit-image.js';
import {
  type ImageStore,
  openImageStore,
  type StoreOptions,
} from '../../../../portlayer/store/image-store.js';

/** A committed record; of the image only what the store itself looks at. */
export function sampleRecord(crid: string, stored?: StoredFacts): CheckpointRecord {
  return {
    crid,
    ordinal: 1,
    state: 'committed',
    mechanism: 'exit-code',
    level: 'task',
    source: 'api',
    container: 'a',
    containerUid: '01K4XZ6Q0V9J3T8W2R5YB7N1MD',
    spec: compileContainerSpec({ name: 'a', task: { argv: ['x'] } }),
    labels: {},
    constraints: [],
    phases: {},
    image: { bytes: 1, entries: 1, digest: 'sha256:0', layers: [crid], files: {}, ...stored },
    createdAtMs: 1,
  };
}

/** A store in a directory of its own. The test closes it. */
export interface StoreUnderTest {
  readonly directory: string;
  store: ImageStore;
  /** Stages and commits a dump of these files, then forgets the copy of it on disk. Returns its CRID. */
  commit(files: Readonly<Record<string, Buffer>>, parent?: string): Promise<string>;
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** A store to try things on. */
export async function storeUnderTest(options: StoreOptions = {}): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'portlayer-store-'));
  const under: StoreUnderTest = {
    directory,
    store: await openImageStore(directory, options),
    async commit(files, parent) {
      const crid = newUlid();
      await stageFiles(under.store, crid, files);
      const { release } = await under.store.commit({
        crid,
        layers: [],
        ...(parent === undefined ? {} : { parent }),
        record: stored => sampleRecord(crid, stored),
      });
      release();
      await under.store.evict(crid);
      return crid;
    },
    async reopen() {
      await under.store[Symbol.asyncDispose]();
      under.store = await openImageStore(directory, options);
    },
    async close() {
      await under.store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return under;
}

/** Writes a dump's files where a mechanism would. */
export async function stageFiles(
  store: ImageStore,
  crid: string,
  files: Readonly<Record<string, Buffer>>,
): Promise<void> {
  const staged = await store.stage(crid);
  const { mkdir } = await import('node:fs/promises');
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(staged, path)), { recursive: true });
    await writeFile(join(staged, path), bytes);
  }
}

/** Bytes that look random and are always the same for the same seed. */
export function noise(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at < bytes; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    buffer[at] = state & 0xff;
  }
  return buffer;
}

/** A page of text: it compresses. */
export function text(page: number): Buffer {
  return Buffer.alloc(4096, `page ${page} of something that is written in words\n`);
}
