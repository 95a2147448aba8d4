import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCatalog } from '../../portlayer/catalog/sqlite-catalog.js';
import type { CheckpointRecord } from '../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { newUlid } from '../../portlayer/model/ids.js';
import { encodeHeader, encodeTrailer } from '../../portlayer/store/format/data-file.js';
import { encodeManifest, rootOfFiles } from '../../portlayer/store/manifest.js';

/** Checkpoints of one container: a long loop is cut into many, as jobs are. */
const PER_CONTAINER = 100;
const AT_ONCE = 32;

/**
 * Fills the state directory of a service that does not run with `count` committed checkpoints: records, manifests
 * and the frozen layers' directories, as a service that had made them would have left them. Labels: `half` of two
 * values, `hundred` of a hundred, `thousand` of a thousand.
 */
export async function seedCheckpoints(stateDirectory: string, count: number): Promise<void> {
  await mkdir(join(stateDirectory, 'checkpoints'), { recursive: true, mode: 0o700 });
  await mkdir(join(stateDirectory, 'layers'), { recursive: true, mode: 0o700 });
  const records: CheckpointRecord[] = [];
  const catalog = openCatalog(join(stateDirectory, 'catalog.db'));
  for (let start = 0; start < count; start += 1000) {
    catalog.transaction(() => {
      for (let i = start; i < Math.min(count, start + 1000); i++) {
        const record = committedCheckpoint(i, catalog.nextOrdinal(), records.at(-1));
        catalog.putCheckpoint(record);
        records.push(record);
      }
    });
  }
  catalog.close();
  await inParallel(records, record => writeImage(stateDirectory, record));
}

function committedCheckpoint(
  i: number,
  ordinal: number,
  before: CheckpointRecord | undefined,
): CheckpointRecord {
  const iteration = (i % PER_CONTAINER) + 1;
  const follows = iteration > 1 && before;
  const container = `job-${Math.floor(i / PER_CONTAINER)}`;
  const crid = newUlid();
  return {
    crid,
    ordinal,
    state: 'committed',
    mechanism: 'exit-code',
    level: 'task',
    source: 'exit-code',
    container,
    containerUid: follows ? follows.containerUid : newUlid(),
    spec: compileContainerSpec({
      name: container,
      task: { argv: ['python3', 'job.py', '--input', '/data/in'], env: { LANG: 'C.UTF-8' }, exitCode: {} },
    }),
    ...(follows ? { parent: follows.crid } : {}),
    labels: { half: String(i % 2), hundred: String(i % 100), thousand: String(i % 1000) },
    constraints: [{ level: 'executor', key: 'name', relation: 'equal', required: 'process' }],
    phases: { quiesceMs: 1, dumpMs: 3.5, commitMs: 12.25 },
    image: {
      bytes: 4096 + i,
      entries: 3,
      digest: `sha256:${i.toString(16).padStart(64, '0')}`,
      layers: [crid],
      files: {},
    },
    iteration,
    createdAtMs: 1_790_000_000_000 + i,
    committedAtMs: 1_790_000_000_020 + i,
  };
}

async function writeImage(stateDirectory: string, record: CheckpointRecord): Promise<void> {
  await mkdir(join(stateDirectory, 'layers', record.crid), { mode: 0o755 });
  const directory = join(stateDirectory, 'checkpoints', record.crid);
  await mkdir(directory, { mode: 0o700 });
  const trailer = encodeTrailer({ frames: [], hashes: Buffer.alloc(0) });
  const data = Buffer.concat([encodeHeader(record.crid), trailer]);
  await writeFile(join(directory, 'data-1'), data, { mode: 0o600 });
  const image = {
    data: {
      file: 'data-1',
      bytes: data.length,
      trailerBytes: trailer.length,
      trailerDigest: createHash('sha256').update(trailer).digest('hex'),
    },
    pages: 0,
    files: [],
    directories: {},
    sources: [],
    map: '',
    root: rootOfFiles([]),
  };
  await writeFile(join(directory, 'manifest.json'), encodeManifest({ checkpoint: record, image }), {
    mode: 0o600,
  });
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
