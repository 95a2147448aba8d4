import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { criuDirectory, initBinary, whyNot } from '../host/container/subject.js';
import { openWorld, type World } from '../host/container/world.js';
import { type Bench, type Row, skippedRow } from './row.js';

/** One line of the bench: milliseconds (or MiB, where `what` says so), ours and of the raw tool in the same run. */
export interface CriuRow {
  readonly what: string;
  readonly ours: number;
  readonly raw: number;
  readonly ratio: number;
  /** What the ratio is to reach, or `ours` where there is no raw tool to compare with. */
  readonly target: number;
}

/** The same for the table of `npm run bench`. */
export const criuBench: Bench = {
  name: 'criu',
  async run() {
    const reason = whyNot();
    if (reason !== undefined) return [skippedRow('checkpoint and restore of a container', '-', reason)];
    return (await measureCriu()).map(tableRow);
  },
};

function tableRow({ what, ours, raw, ratio, target }: CriuRow): Row {
  const alone = raw === 0;
  const unit = alone ? 'MiB' : 'ms';
  return {
    what,
    ours: `${ours} ${unit}`,
    floor: alone ? '-' : `${raw} ms (runc)`,
    ratio: alone ? '-' : `${ratio}`,
    target: alone ? `≤ ${target} MiB` : `≤ ${target}`,
    reached: (alone ? ours : ratio) <= target,
    figures: alone ? { oursMiB: ours } : { oursMs: ours, floorMs: raw },
  };
}

const sizes = [10, 100, 500];
const program = (megabytes: number) =>
  `import os, time\nkept = bytearray(os.urandom(${megabytes} << 20))\nprint("ready", flush=True)\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.002)`;
const environment = { PATH: `${criuDirectory}:/usr/sbin:/usr/bin:/sbin:/bin` };

/**
 * Checkpoint, restore and start of the executor `container` beside `runc checkpoint`, `runc restore` and `runc run` with
 * their defaults, on the same program; medians of `repeats`. Needs root, runc and CRIU: throws the reason where not.
 */
export async function measureCriu(repeats = 5): Promise<readonly CriuRow[]> {
  const reason = whyNot();
  if (reason !== undefined) throw new Error(reason);
  const world = await openWorld();
  const raw = new RawRunc(world);
  const rows: CriuRow[] = [];
  try {
    for (const size of sizes) rows.push(...(await benchSize(world, raw, size, repeats)));
    rows.push(await benchStart(world, raw, repeats));
    rows.push(await benchMemory());
    return rows;
  } finally {
    raw.close();
    await world.close();
  }
}

async function benchSize(world: World, raw: RawRunc, size: number, repeats: number): Promise<CriuRow[]> {
  const argv = ['python3', '-c', program(size)];
  const ours = {
    dump: [] as number[],
    frozen: [] as number[],
    restore: [] as number[],
    lazy: [] as number[],
  };
  const theirs = { dump: [] as number[], frozen: [] as number[], restore: [] as number[] };
  await world.run('ours', argv);
  await world.run('lazy', argv, { executorOptions: { lazyRestore: true } });
  for (const name of ['ours', 'lazy']) await world.said(name, /^ready$/);
  const original = await raw.start(argv);
  await original.first;
  const lazy = await world.checkpoint('lazy');
  await world.dispatch.commitCheckpoint('', lazy.crid); // Else it went on beside the first dump.
  await world.dispatch.stopContainer('', 'lazy', 0);
  for (let i = 0; i < repeats; i++) {
    const began = performance.now();
    const record = await world.checkpoint('ours');
    ours.dump.push(performance.now() - began);
    ours.frozen.push(record.phases.frozenMs ?? 0);
    ours.restore.push(await restoreTime(world, record.crid, `copy${i}`));
    ours.lazy.push(await restoreTime(world, lazy.crid, `lazy${i}`));
    // The restores above had its commit in the background; runc, which has none, has the machine for itself.
    await world.dispatch.commitCheckpoint('', record.crid);
    await world.dispatch.removeCheckpoint('', record.crid, true);
    const dumped = raw.checkpoint(original.id);
    theirs.dump.push(dumped.ms);
    theirs.frozen.push(dumped.frozenMs);
    theirs.restore.push(await raw.restore(dumped.image));
  }
  raw.end(original.id);
  await world.clear();
  return [
    row(`checkpoint, leave running, ${size} MB`, ours.dump, theirs.dump, 0.75),
    row(`frozen time of it, ${size} MB`, ours.frozen, theirs.frozen, 0.7),
    row(`restore to first output, ${size} MB`, ours.restore, theirs.restore, 0.8),
    row(`lazy restore to first output, ${size} MB`, ours.lazy, theirs.restore, 0.8),
  ];
}

async function restoreTime(world: World, crid: string, name: string): Promise<number> {
  const began = performance.now();
  const restored = world.restore(crid, name);
  let uid: string | undefined;
  while (uid === undefined) {
    uid = await world.dispatch.getContainer(name).then(
      record => record.uid,
      () => undefined,
    );
    if (uid === undefined) await sleep(1);
  }
  await firstOutput(world, uid);
  const ms = performance.now() - began;
  await restored;
  await world.dispatch.removeContainer('', name, true);
  return ms;
}

async function firstOutput(world: World, uid: string): Promise<void> {
  const log = join(world.stateDirectory, 'container/containers', uid, 'log');
  while (!existsSync(log) || statSync(log).size === 0) await sleep(1);
}

async function benchStart(world: World, raw: RawRunc, repeats: number): Promise<CriuRow> {
  const argv = ['sh', '-c', 'echo first; sleep 1000'];
  const ours: number[] = [];
  const theirs: number[] = [];
  await world.run('there', argv);
  for (let i = 0; i < repeats * 2; i++) {
    const began = performance.now();
    const record = await world.run(`start${i}`, argv);
    await firstOutput(world, record.uid);
    ours.push(performance.now() - began);
    await world.dispatch.removeContainer('', `start${i}`, true);
    const started = await raw.start(argv);
    theirs.push(await started.first);
    raw.end(started.id);
  }
  return row('start to first output', ours, theirs, 1.25);
}

const containers = 200;

/** A service of its own, so that nothing of the bench is counted. */
async function benchMemory(): Promise<CriuRow> {
  const script = fileURLToPath(import.meta.url).replace(/criu-bench\.([jt]s)$/, 'criu-bench-service.$1');
  const node = [...process.execArgv, ...(script.endsWith('.ts') ? ['--import', 'tsx'] : [])];
  const child = spawn(process.execPath, [...node, script, String(containers)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  const mebibytes = Number(/rss (\d+)/.exec(text)?.[1]) / 2 ** 20;
  return {
    what: `MiB of the service with ${containers} running containers`,
    ours: round(mebibytes),
    raw: 0,
    ratio: 0,
    target: 200,
  };
}

function row(what: string, ours: number[], raw: number[], target: number): CriuRow {
  const [a, b] = [median(ours), median(raw)];
  return { what, ours: round(a), raw: round(b), ratio: round(a / b, 100), target };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const round = (value: number, to = 10): number => Math.round(value * to) / to;

/** What the bench changes of a bundle's configuration. */
interface Bundle {
  annotations?: object;
  process: { args: readonly string[] };
  root: { path: string };
  linux: { cgroupsPath: string; namespaces: { type: string; path?: string }[] };
}

/** Containers of plain runc with its defaults: our bundle without our init, our options of CRIU, and our place for /run. */
class RawRunc {
  readonly #world: World;
  readonly #directory: string;
  readonly #ids = new Set<string>();
  #count = 0;

  constructor(world: World) {
    this.#world = world;
    this.#directory = join(world.stateDirectory, 'raw');
    mkdirSync(this.#directory);
  }

  /** Starts a program; `first` resolves with the milliseconds to its first output. */
  async start(argv: readonly string[]): Promise<{ id: string; first: Promise<number> }> {
    const { id, bundle } = this.#bundle(argv);
    const began = performance.now();
    const child = spawn('runc', [...this.#root(), 'run', '--bundle', bundle, id], {
      env: environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const first = new Promise<number>(resolve =>
      child.stdout.once('data', () => resolve(performance.now() - began)),
    );
    return { id, first };
  }

  checkpoint(id: string): { ms: number; frozenMs: number; image: string } {
    const image = join(this.#directory, `image-${++this.#count}`);
    const began = performance.now();
    const where = ['--image-path', image, '--work-path', `${image}.work`];
    execFileSync('runc', [...this.#root(), 'checkpoint', ...where, '--leave-running', '--file-locks', id], {
      env: environment,
      stdio: 'pipe',
    });
    return { ms: performance.now() - began, frozenMs: frozenOf(join(`${image}.work`, 'stats-dump')), image };
  }

  /** Restores an image as another container; the milliseconds to its first output. */
  async restore(image: string): Promise<number> {
    const { id, bundle } = this.#bundle(['true']);
    const began = performance.now();
    const flags = [
      'restore',
      '--image-path',
      image,
      '--work-path',
      `${bundle}/work`,
      '--file-locks',
      '--bundle',
      bundle,
    ];
    const child = spawn('runc', [...this.#root(), ...flags, id], {
      env: environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise(resolve => child.stdout.once('data', resolve));
    const ms = performance.now() - began;
    this.end(id);
    rmSync(image, { recursive: true });
    return ms;
  }

  end(id: string): void {
    execFileSync('runc', [...this.#root(), 'delete', '--force', id], { stdio: 'pipe' });
    execFileSync('umount', ['-l', join(this.#directory, id, 'root')], { stdio: 'pipe' });
    execFileSync('umount', ['-l', join(this.#directory, id, 'net')], { stdio: 'pipe' });
    this.#ids.delete(id);
  }

  close(): void {
    for (const id of this.#ids) this.end(id);
  }

  #root(): string[] {
    return ['--root', join(this.#directory, 'state')];
  }

  /** The configuration of any container of ours that is there. */
  #config(): Bundle {
    const containers = join(this.#world.stateDirectory, 'container/containers');
    const [uid = ''] = readdirSync(containers);
    return JSON.parse(readFileSync(join(containers, uid, 'config.json'), 'utf8')) as Bundle;
  }

  #bundle(argv: readonly string[]): { id: string; bundle: string } {
    const id = `raw-${process.pid}-${++this.#count}`;
    const bundle = join(this.#directory, id);
    for (const name of ['root', 'upper', 'work-overlay', 'work'])
      mkdirSync(join(bundle, name), { recursive: true });
    const lower = `${this.#world.rootfs}:${this.#world.stateDirectory}/container/skeleton`;
    const options = `lowerdir=${lower},upperdir=${bundle}/upper,workdir=${bundle}/work-overlay`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, `${bundle}/root`]);
    execFileSync(initBinary, ['netns', join(bundle, 'net')]);
    const config = structuredClone(this.#config());
    delete config.annotations;
    config.process.args = argv;
    config.root.path = join(bundle, 'root');
    config.linux.cgroupsPath = `/portlayer/${id}`;
    for (const namespace of config.linux.namespaces)
      if (namespace.type === 'network') namespace.path = join(bundle, 'net');
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    this.#ids.add(id);
    return { id, bundle };
  }
}

/** `frozen_time` of CRIU's stats-dump, in milliseconds: two words of magic, a length, and a message of varints. */
function frozenOf(path: string): number {
  const bytes = readFileSync(path).subarray(12);
  const dump = fieldsOf(bytes).get(1);
  const frozen = typeof dump === 'object' ? fieldsOf(dump).get(2) : undefined;
  return typeof frozen === 'number' ? frozen / 1000 : Number.NaN;
}

/** The fields of one protobuf message, of its two kinds that stand in stats-dump. */
function fieldsOf(bytes: Buffer): Map<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    if (key % 8 === 0) fields.set(key >> 3, varint());
    else {
      const length = varint();
      fields.set(key >> 3, bytes.subarray(at, at + length));
      at += length;
    }
  }
  return fields;
}
