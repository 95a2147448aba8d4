import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointRecord } from '../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { newUlid } from '../../portlayer/model/ids.js';
import { openImageStore } from '../../portlayer/store/image-store.js';
import { dumpOf } from './store-dump.js';

// A process of its own that does to a store what can be done, until it is killed: `store-churn DIRECTORY`. On standard
// output one line for each thing that is certain: `committed CRID SEED`, `removing CRID`.

const [, , directory = ''] = process.argv;
const say = (line: string): void => writeFileSync(1, `${line}\n`);
const known = new Map(
  readFileSync(join(directory, 'known'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => line.split(' ') as [crid: string, seed: string]),
);

const store = await openImageStore(join(directory, 'store'));
await store.sweep(new Set());
say('ready');

function record(crid: string, image: Partial<CheckpointRecord['image']>): CheckpointRecord {
  return {
    crid,
    ordinal: 1,
    state: 'committed',
    mechanism: 'fake',
    level: 'task',
    source: 'api',
    container: 'a',
    containerUid: crid,
    spec: compileContainerSpec({ name: 'a', task: { argv: ['x'] } }),
    labels: {},
    constraints: [],
    phases: {},
    image: { bytes: 1, entries: 1, digest: '', layers: [], files: {}, ...image },
    createdAtMs: 1,
  };
}

/** CRIDs whose data others point into. */
async function needed(crid: string): Promise<boolean> {
  for (const other of await store.list())
    if (other !== crid && (await store.describe(other)).sources.includes(crid)) return true;
  return false;
}

for (;;) {
  const crids = await store.list();
  const one = crids[Math.floor(Math.random() * crids.length)];
  const what = Math.random();
  if (what < 0.5 || crids.length < 3 || one === undefined) {
    const crid = newUlid();
    const seed = Math.floor(Math.random() * 1000);
    const staged = await store.stage(crid);
    await mkdir(staged, { recursive: true });
    writeFileSync(join(staged, 'ram'), dumpOf(seed));
    // Before it may be on disk: a kill between the two must not look like a stranger.
    say(`begun ${crid} ${seed}`);
    const parent = [...known.keys()].at(-1);
    const { release } = await store.commit({
      crid,
      layers: [],
      ...(parent === undefined ? {} : { parent }),
      record: stored => record(crid, stored),
    });
    release();
    say(`committed ${crid} ${seed}`);
    known.set(crid, String(seed));
    await store.evict(crid);
  } else if (what < 0.65) {
    say(`removing ${one}`);
    known.delete(one);
    await store.remove(one, await needed(one));
  } else if (what < 0.8) {
    await store.rewriteData(one, { against: Math.random() < 0.5 ? 'alone' : 'store' });
  } else if (what < 0.9) {
    for (const { crid } of await store.retired()) if (!(await needed(crid))) await store.remove(crid, false);
  } else {
    const exported = await store.export(one, AbortSignal.timeout(30_000));
    const chunks = exported.chunks(0, AbortSignal.timeout(30_000));
    say(`removing ${one}`);
    const seed = known.get(one) ?? '';
    known.delete(one);
    if (await needed(one)) continue;
    await store.remove(one, false);
    await store.import(chunks, given => given, AbortSignal.timeout(30_000));
    say(`committed ${one} ${seed}`);
    known.set(one, seed);
    await exported.release();
  }
}
