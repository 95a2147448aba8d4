import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { whyNot } from '../host/qemu/subject.js';
import { openWorld, type World } from '../host/qemu/world.js';
import { type Bench, type Row, skippedRow } from './row.js';
import { digits, figuresOf, spread, summarize } from './statistics.js';
import { argvOf, pssOf, type RawParts, rawCopy, rawSnapshot } from './vmfork-raw.js';

/** Memory of the machine and how much of it is written with random bytes, in MiB. */
const SIZES = [
  [256, 64],
  [1024, 64],
  [1024, 512],
] as const;
const REPEATS = Number(process.env.PORTLAYER_BENCH_REPEATS ?? 7);
const COPIES = 10;
const BOOTS = 3;
const MIB = 2 ** 20;

/** Forks of virtual machines beside QEMU alone with the same flags, and beside cold boots. Takes some minutes: run by name only. */
export const vmforkBench: Bench = {
  name: 'vmfork',
  async run() {
    const reason = whyNot();
    if (reason !== undefined) return [skippedRow('fork of a virtual machine', '-', reason)];
    // As root, so that the raw QEMU beside it, which has no bridge to step down for it, is the same.
    const world = await openWorld({ user: { uid: 0, gid: 0 } });
    const rows: Row[] = [];
    try {
      const medians: number[] = [];
      for (const [memory, dirty] of SIZES) {
        const measured = await measure(world, memory, dirty);
        rows.push(...measured.rows);
        medians.push(measured.forkMs);
        rows.push(await withStandby(world, memory, dirty, measured));
        if (memory === 256)
          rows.push(...(await crowd(world, measured.crid, measured.parts, measured.bootPss)));
        await world.clear();
      }
      const [small = 0, large = 0] = medians;
      rows.push(
        row('fork of 1024 beside 256 MiB, 64 dirty', 'ms', [large], [small], '≤ 1.2', ratio => ratio <= 1.2),
      );
      return rows;
    } finally {
      await world.close();
    }
  },
};

interface Measured {
  readonly rows: readonly Row[];
  readonly boots: readonly number[];
  readonly forkMs: number;
  readonly crid: string;
  readonly parts: RawParts;
  readonly bootPss: number;
}

async function measure(world: World, memory: number, dirty: number): Promise<Measured> {
  const size = `${memory}/${dirty} MiB`;
  const options = {
    network: 'none',
    resources: { memoryBytes: memory * MIB },
    executorOptions: { standby: 1 },
  };
  const task = `mount -o remount,size=90% /dev/shm; head -c ${dirty * MIB} /dev/urandom > /dev/shm/m; echo ready; while :; do sleep 1; done`;
  const boots: number[] = [];
  const names = Array.from({ length: memory === 256 ? BOOTS : 1 }, (_, i) => `parent${i}`);
  for (const name of names) {
    const began = performance.now();
    await world.run(name, task, options);
    boots.push(performance.now() - began);
  }
  for (const name of names) await world.said(name, /^ready$/);
  const pss = await Promise.all(names.map(async name => pssOf(await world.qemu(name))));
  for (const name of names.slice(1)) await world.dispatch.removeContainer('', name, true);
  const { uid } = await world.dispatch.getContainer('parent0');
  const directory = join(world.stateDirectory, 'raw');
  mkdirSync(directory, { recursive: true });
  const qmp = join(world.stateDirectory, 'qemu/c', uid, 'vm/qmp');

  const captured: number[] = [];
  const pauses: number[] = [];
  const snapshots: number[] = [];
  const stops: number[] = [];
  let crid = '';
  for (let i = 0; i < REPEATS; i++) {
    if (crid !== '') await world.dispatch.removeCheckpoint('', crid, true);
    const began = performance.now();
    crid = (await world.checkpoint('parent0')).crid;
    captured.push(performance.now() - began);
    await world.dispatch.commitCheckpoint('', crid);
    pauses.push(
      (JSON.parse(readFileSync(join(imageOf(world, crid), 'portlayer.json'), 'utf8')) as { pauseMs: number })
        .pauseMs,
    );
    snapshots.push((await rawSnapshot(qmp, directory, true)).totalMs);
    stops.push((await rawSnapshot(qmp, directory, false)).pauseMs);
  }

  const [pattern] = await world.fork({ checkpoint: crid }, 1, 'pattern');
  const argv = argvOf(await world.qemu(pattern ?? ''));
  await world.dispatch.removeContainer('', pattern ?? '', true);
  const below = join(world.stateDirectory, 'qemu/layers', crid, 'disk.qcow2');
  const parts = { directory, argv, imageDirectory: imageOf(world, crid), below };
  const ours: number[] = [];
  const raw: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const began = performance.now();
    const [name] = await world.fork({ checkpoint: crid }, 1, `one${i}`);
    ours.push(performance.now() - began);
    await world.dispatch.removeContainer('', name ?? '', true);
    const copy = await rawCopy(parts);
    raw.push(copy.ms);
    await copy.end();
  }
  const rows = [
    row(`fork → first word, identity included, ${size}`, 'ms', ours, raw, '≤ 1.3', ratio => ratio <= 1.3),
    row(`the same beside a cold boot, ${size}`, 'ms', ours, boots, '≥ 15 × faster', ratio => 1 / ratio >= 15),
    row(
      `pause of the parent beside stop-and-copy, ${size}`,
      'ms',
      pauses,
      stops,
      '≤ 20 ms, ≥ 15 × shorter',
      (ratio, ms) => ms <= 20 && 1 / ratio >= 15,
    ),
    row(
      `call → captured beside background-snapshot, ${size}`,
      'ms',
      captured,
      snapshots,
      '≤ 1.1',
      ratio => ratio <= 1.1,
    ),
  ];
  return { rows, boots, forkMs: summarize(ours).median, crid, parts, bootPss: summarize(pss).median };
}

/** Forks of a published image that has one copy ready each time; without what the guest itself says it took to become another. */
async function withStandby(world: World, memory: number, dirty: number, of: Measured): Promise<Row> {
  await world.dispatch.publishCheckpoint('', of.crid, `bench:m${memory}-${dirty}`, true);
  const times: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    await oneReady(world);
    const began = performance.now();
    const [name = ''] = await world.fork({ checkpoint: of.crid }, 1, `ready${i}`);
    const ms = performance.now() - began;
    const { handle } = await world.dispatch.getContainer(name);
    if (handle?.data.standby !== true) throw new Error('no standby was used');
    times.push(ms - Number(handle.data.identityMs));
    await world.dispatch.removeContainer('', name, true);
  }
  await world.dispatch.publishCheckpoint('', of.crid, '', false);
  return row(
    `fork with a standby, without identity work, beside a cold boot, ${memory}/${dirty} MiB`,
    'ms',
    times,
    of.boots,
    '≥ 40 × faster',
    ratio => 1 / ratio >= 40,
  );
}

/** Resolves when a QEMU has been waiting with its image loaded for a moment. */
async function oneReady(world: World): Promise<void> {
  for (let seen = 0; seen < 10; ) {
    seen = (await world.processes(/\/s\/.*qmp/, 'qemu-system-x86_64')).length > 0 ? seen + 1 : 0;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** Ten copies at once: their memory, and how many a second, two at a time. */
async function crowd(world: World, crid: string, parts: RawParts, bootPss: number): Promise<readonly Row[]> {
  const names = await world.fork({ checkpoint: crid }, COPIES, 'ten');
  const pss = await Promise.all(names.map(async name => pssOf(await world.qemu(name))));
  const together = pss.reduce((sum, each) => sum + each, 0);
  for (const name of names) await world.dispatch.removeContainer('', name, true);
  const oursPerSecond = await perSecond(async i => {
    const [name] = await world.fork({ checkpoint: crid }, 1, `rate${i}`);
    void world.dispatch.removeContainer('', name ?? '', true);
  });
  const rawPerSecond = await perSecond(async () => {
    const copy = await rawCopy(parts);
    void copy.end();
  });
  return [
    row(
      `memory of ${COPIES} copies beside ${COPIES} boots (PSS, 256/64 MiB)`,
      'MiB',
      [together],
      [bootPss * COPIES],
      '≤ 0.25',
      ratio => ratio <= 0.25,
    ),
    row(
      'copies a second, two at a time, 256/64 MiB',
      '/s',
      [oursPerSecond],
      [rawPerSecond],
      '≥ 0.9',
      ratio => ratio >= 0.9,
    ),
  ];
}

async function perSecond(one: (index: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < 2 * REPEATS) await one(next++);
  };
  await Promise.all([worker(), worker()]);
  return (2 * REPEATS * 1000) / (performance.now() - began);
}

function imageOf(world: World, crid: string): string {
  // Where it was captured: what is committed has another form.
  return join(world.stateDirectory, 'staging', crid);
}

function row(
  what: string,
  unit: string,
  ours: readonly number[],
  floor: readonly number[],
  target: string,
  reached: (ratio: number, median: number) => boolean,
): Row {
  const [mine, theirs] = [summarize(ours), summarize(floor)];
  const ratio = mine.median / theirs.median;
  return {
    what,
    ours: spread(mine, unit),
    floor: spread(theirs, unit),
    ratio: digits(ratio),
    target,
    reached: reached(ratio, mine.median),
    figures: { ...figuresOf('ours', mine), ...figuresOf('floor', theirs) },
  };
}
