import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckpointRecord } from '../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { newUlid } from '../../portlayer/model/ids.js';
import { type ImageStore, openImageStore } from '../../portlayer/store/image-store.js';
import { type Bench, type Row, skippedRow } from './row.js';

const MIB = 2 ** 20;
const SIZE = Number(process.env.PORTLAYER_BENCH_STORE_MIB ?? 1024) * MIB;
const DEPTH = 50;

/**
 * The image store beside cp, borg, restic and casync on the same data in the same run. Takes some minutes and 10 GiB:
 * run by name only. The three are Debian's packages borgbackup, restic and casync, which no test installs.
 */
export const storeBench: Bench = {
  name: 'store',
  async run() {
    const directory = mkdtempSync(
      join(process.env.PORTLAYER_BENCH_DIR ?? tmpdir(), 'portlayer-store-bench-'),
    );
    try {
      return await measure(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

async function measure(directory: string): Promise<Row[]> {
  const [first, second] = [join(directory, 'first'), join(directory, 'second')];
  makeImage(first);
  copyFileSync(first, second);
  changeOnePercent(second, 1);
  const store = await openImageStore(join(directory, 'store'));
  const rows: Row[] = [];
  try {
    const one = await commit(store, first);
    const next = await commit(store, second, one.crid);
    const cp = [
      timed(() => copySynced(first, join(directory, 'copy'))),
      timed(() => copySynced(first, join(directory, 'copy'))),
    ];
    const copyMs = Math.min(...cp);
    rows.push(row('commit, first time', one.ms, copyMs, '≤ 2.5 × cp + fsync', ratio => ratio <= 2.5));
    rows.push(row('next generation, 1 % changed', next.ms, one.ms, '≤ 0.5 × first', ratio => ratio <= 0.5));
    for (const peer of PEERS) rows.push(...beside(peer, directory, [first, second], [one, next]));
    const flat = await readBack(store, one.crid);
    rows.push(row('materialise, flat', flat, copyMs, '≤ 2.5 × cp', ratio => ratio <= 2.5));
    let parent = next.crid;
    for (let depth = 2; depth < DEPTH; depth++) {
      changeOnePercent(second, depth);
      parent = (await commit(store, second, parent)).crid;
    }
    const deep = await readBack(store, parent);
    rows.push(row(`materialise, depth ${DEPTH}`, deep, flat, '≤ 1.3 × flat', ratio => ratio <= 1.3));
    const cold = await readCold(directory, store, parent);
    rows.push(
      row(`materialise, cold, depth ${DEPTH}`, cold.ours, cold.copy, '≤ 4 × cold cp', ratio => ratio <= 4),
    );
    rows.push({
      what: 'longest pause of the event loop',
      ours: `${worstPauseMs.toFixed(1)} ms`,
      floor: '-',
      ratio: '-',
      target: '≤ 20 ms',
      reached: worstPauseMs <= 20,
      figures: { oursMs: worstPauseMs },
    });
    return rows;
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

/** A third text that compresses, a third random, a sixth repeated, a sixth zero: memory is about so. */
function makeImage(path: string): void {
  const file = openSync(path, 'w', 0o600);
  const text = readFileSync(process.execPath);
  for (let at = 0; at < SIZE; at += MIB) {
    const part = (at / SIZE) * 6;
    if (part >= 5) break;
    const source = part < 2 ? text.subarray(at % (text.length - MIB)) : undefined;
    writeSync(file, source ?? randomMiB(part < 4 ? at : at % (16 * MIB)), 0, MIB, at);
  }
  fsyncSync(file);
  truncateSync(path, SIZE);
}

function randomMiB(seed: number): Buffer {
  const bytes = Buffer.alloc(MIB);
  let state = (seed + 1) >>> 0;
  for (let at = 0; at < MIB; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return bytes;
}

/** Scattered, as allocators scatter: one page in a hundred gets 64 other bytes. */
function changeOnePercent(path: string, generation: number): void {
  const file = openSync(path, 'r+');
  const bytes = randomMiB(generation * 7919).subarray(0, 64);
  for (let page = generation % 100; page < SIZE / 4096; page += 100)
    writeSync(file, bytes, 0, 64, page * 4096 + 512);
  fsyncSync(file);
}

interface Committed {
  readonly crid: string;
  readonly ms: number;
  readonly bytes: number;
}

async function commit(store: ImageStore, from: string, parent?: string): Promise<Committed> {
  const crid = newUlid();
  const staged = await store.stage(crid);
  copyFileSync(from, join(staged, 'ram'));
  const began = performance.now();
  let bytes = 0;
  const { release } = await watched(() =>
    store.commit({
      crid,
      layers: [],
      ...(parent === undefined ? {} : { parent }),
      record: stored => {
        bytes = stored.storedBytes;
        return recordOf(crid, stored.sources);
      },
    }),
  );
  release();
  const ms = performance.now() - began;
  await store.evict(crid);
  return { crid, ms, bytes };
}

/** Made once, outside what is measured: the first spec of a process compiles the schema of specs. */
const SPEC = compileContainerSpec({ name: 'bench', task: { argv: ['x'] } });

function recordOf(crid: string, sources: readonly string[]): CheckpointRecord {
  return {
    crid,
    ordinal: 1,
    state: 'committed',
    mechanism: 'vmfork',
    level: 'executor',
    source: 'api',
    container: 'bench',
    containerUid: crid,
    spec: SPEC,
    labels: {},
    constraints: [],
    phases: {},
    image: { bytes: SIZE, entries: 1, digest: '', layers: [], files: {}, sources },
    createdAtMs: 1,
  };
}

async function readBack(store: ImageStore, crid: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 2; i++) {
    const began = performance.now();
    const held = await watched(() => store.hold(crid));
    times.push(performance.now() - began);
    held.release();
    await store.evict(crid);
  }
  return Math.min(...times);
}

async function readCold(
  directory: string,
  store: ImageStore,
  crid: string,
): Promise<{ ours: number; copy: number }> {
  const copy = join(directory, 'copy');
  const cool = (path: string): void => {
    execFileSync('find', [
      path,
      '-type',
      'f',
      '-exec',
      'dd',
      'if={}',
      'iflag=nocache',
      'count=0',
      'status=none',
      ';',
    ]);
  };
  cool(join(directory, 'store'));
  const began = performance.now();
  (await store.hold(crid)).release();
  const ours = performance.now() - began;
  cool(copy);
  return { ours, copy: timed(() => copyFileSync(copy, join(directory, 'cold'))) };
}

interface Peer {
  readonly name: string;
  readonly times: number;
  readonly setUp: readonly string[];
  add(repository: string, image: string, n: number): readonly string[];
}

const PEERS: readonly Peer[] = [
  {
    name: 'borg',
    times: 2,
    setUp: ['borg', 'init', '-e', 'none', 'REPO'],
    add: (repository, image, n) => [
      'borg',
      'create',
      '--compression',
      'zstd,1',
      `${repository}::g${n}`,
      image,
    ],
  },
  {
    name: 'restic',
    times: 3,
    setUp: ['restic', '-q', 'init', '-r', 'REPO'],
    add: (repository, image) => ['restic', '-q', '-r', repository, 'backup', image],
  },
  {
    name: 'casync',
    times: 5,
    setUp: ['mkdir', 'REPO'],
    add: (repository, image, n) => [
      'casync',
      'make',
      `--store=${repository}/s.castr`,
      `${repository}/g${n}.caibx`,
      image,
    ],
  },
];

function beside(peer: Peer, directory: string, images: readonly string[], ours: readonly Committed[]): Row[] {
  const { name, times } = peer;
  if (spawnSync('which', [name]).status !== 0)
    return [
      skippedRow(
        `beside ${name}`,
        `≥ ${times} × faster`,
        `${name} is not installed (apt-get install ${name === 'borg' ? 'borgbackup' : name})`,
      ),
    ];
  const repository = join(directory, name);
  const env = {
    ...process.env,
    RESTIC_PASSWORD: 'x',
    BORG_BASE_DIR: directory,
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    XDG_CACHE_HOME: directory,
  };
  const run = (argv: readonly string[]): void => {
    execFileSync(argv[0]!, argv.slice(1), { env, stdio: 'pipe' });
  };
  run(peer.setUp.map(word => (word === 'REPO' ? repository : word)));
  const theirs = images.map((image, n) => {
    const before = sizeOf(repository);
    const ms = timed(() => {
      run(peer.add(repository, image, n));
      execFileSync('sync', ['-f', repository]);
    });
    return { ms, bytes: sizeOf(repository) - before };
  });
  const [first, next] = theirs as [{ ms: number; bytes: number }, { ms: number; bytes: number }];
  const bytes = (ours[1]?.bytes ?? 0) / next.bytes;
  return [
    row(
      `first time, beside ${name}`,
      ours[0]!.ms,
      first.ms,
      `≥ ${times} × faster`,
      ratio => ratio <= 1 / times,
    ),
    row(`next generation, beside ${name}`, ours[1]!.ms, next.ms, '≥ 4 × faster', ratio => ratio <= 0.25),
    {
      what: `bytes of the next generation, beside ${name}`,
      ours: `${((ours[1]?.bytes ?? 0) / MIB).toFixed(1)} MiB`,
      floor: `${(next.bytes / MIB).toFixed(1)} MiB`,
      ratio: bytes.toFixed(3),
      target: name === 'casync' ? '-' : '≤ 0.125',
      ...(name === 'casync' ? {} : { reached: bytes <= 0.125 }),
      figures: { oursBytes: ours[1]?.bytes ?? 0, theirsBytes: next.bytes },
    },
  ];
}

function sizeOf(path: string): number {
  const done = spawnSync('du', ['-sb', path], { encoding: 'utf8' });
  return done.status === 0 ? Number(done.stdout.split('\t')[0]) : 0;
}

function copySynced(from: string, to: string): void {
  rmSync(to, { force: true });
  execFileSync('cp', ['--reflink=never', '--sparse=auto', from, to]);
  execFileSync('sync', [to]);
  if (statSync(to).size !== SIZE) throw new Error(`${to} is not a copy`);
}

function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

function row(
  what: string,
  ours: number,
  floor: number,
  target: string,
  holds: (ratio: number) => boolean,
): Row {
  const ratio = ours / floor;
  return {
    what: `store: ${what}`,
    ours: `${Math.ceil(ours)} ms`,
    floor: `${Math.floor(floor)} ms`,
    ratio: ratio.toFixed(2),
    target,
    reached: holds(ratio),
    figures: { oursMs: ours, floorMs: floor },
  };
}

let worstPauseMs = 0;

/** Awaits work of the store, and how long nothing else could be done meanwhile. The bench's own copies are no part of it. */
async function watched<T>(work: () => Promise<T>): Promise<T> {
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    worstPauseMs = Math.max(worstPauseMs, now - last - 2);
    last = now;
  };
  const timer = setInterval(look, 2);
  try {
    return await work();
  } finally {
    look();
    clearInterval(timer);
  }
}
