import { mkdir, readFile, rm, statfs } from 'node:fs/promises';
import { execa } from 'execa';
import type { Client } from '../../portlayer/client/client.js';
import type { Bench, Row } from './row.js';
import { type ServiceProcess, startService } from './service-process.js';
import { digits, figuresOf, type Summary, spread, summarize } from './statistics.js';
import { openWorkplace, type Workplace } from './workplace.js';

const TARGET_MS = 25;
const MIB = 1024 * 1024;
/** Iterations of one turn; beyond 32 the chain of layers is folded, which is to be seen in the figures. */
const COUNT = 50;
const TURNS = 3;
/** Each of these copies the whole state. */
const COPIES = 4;
/** The first writes the unchanging state, the second waits until that is durable: neither is an iteration like the others. */
const WARM_UP = 2;

/** A task that exits 85 at once, run again and again: by us, by a bare shell loop, and by one that keeps copies. */
export const iterationBench: Bench = {
  name: 'iteration',
  async run() {
    await using place = openWorkplace();
    await place.compile('iterate');
    const rows: Row[] = [];
    {
      await using service = await startService(place.path('state'));
      const small = await measure(place, service, 'small', 1 * MIB);
      const { bavail, bsize } = await statfs(place.directory);
      const roomy = bavail * bsize > (TURNS + COPIES + 2) * 1024 * MIB;
      const large = roomy ? await measure(place, service, 'large', 1024 * MIB) : undefined;
      rows.push(...rowsOf('1 MiB', small), ...(large ? rowsOf('1 GiB', large) : []));
      if (large) rows.push(sameRow(small, large));
    }
    return rows;
  },
};

/** All in ms for one iteration, from the beginning of one run of the task to the beginning of the next. */
interface Measured {
  readonly ours: Summary;
  readonly bare: Summary;
  readonly copying: Summary;
}

async function measure(
  place: Workplace,
  service: ServiceProcess,
  name: string,
  bytes: number,
): Promise<Measured> {
  const ours: number[] = [];
  const bare: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    ours.push(...(await runLoop(place, service.client, `${name}-${turn}`, bytes)));
    bare.push(...(await shellLoop(place, bytes, COUNT, ':')));
  }
  const copying = await shellLoop(place, bytes, COPIES + 2, 'cp -a state copies/$i');
  return { ours: summarize(ours), bare: summarize(bare), copying: summarize(copying) };
}

/** The loop as a container; its checkpoints go with it. */
async function runLoop(place: Workplace, client: Client, name: string, bytes: number): Promise<number[]> {
  await client.createContainer({
    name,
    task: { argv: ['/tmp/bench/iterate', String(bytes), String(COUNT)], exitCode: {} },
    volumes: [{ source: place.path('bin'), target: '/tmp/bench', readOnly: true }],
  });
  await client.startContainer(name);
  const exit = await client.waitContainer(name);
  if (exit.reason !== 'completed') throw new Error(`the loop ended ${exit.reason}: ${exit.message}`);
  const beginnings: string[] = [];
  for await (const entry of client.streamLogs(name)) beginnings.push(entry.text);
  await client.removeContainer(name, { force: true });
  await removeCheckpoints(client, name);
  return intervals(beginnings);
}

async function removeCheckpoints(client: Client, container: string): Promise<void> {
  const { items } = await client.listCheckpoints({ container, pageSize: 1000 });
  for (const { crid } of items) await client.removeCheckpoint(crid, { force: true });
}

/** The same task in a loop of /bin/sh. */
async function shellLoop(place: Workplace, bytes: number, count: number, keep: string): Promise<number[]> {
  const directory = place.path('shell');
  await mkdir(`${directory}/copies`, { recursive: true });
  await mkdir(`${directory}/state`);
  const script = `i=0
    while PORTLAYER_STATE=state ../bin/iterate ${bytes} ${count} >>log; [ $? -eq 85 ]; do i=$((i+1)); ${keep}; done`;
  await execa('/bin/sh', ['-c', script], { cwd: directory, reject: false });
  const beginnings = (await readFile(`${directory}/log`, 'utf8')).trim().split('\n');
  await rm(directory, { recursive: true, force: true });
  if (beginnings.length !== count)
    throw new Error(`the shell loop ran ${beginnings.length} of ${count} times`);
  return intervals(beginnings);
}

function intervals(beginnings: readonly string[]): number[] {
  const ns = beginnings.map(Number).slice(WARM_UP);
  return ns.slice(1).map((at, i) => (at - ns[i]!) / 1e6);
}

function rowsOf(size: string, { ours, bare, copying }: Measured): Row[] {
  const overhead = minus(ours, bare.median);
  const copies = minus(copying, bare.median);
  const figures = {
    ...figuresOf('iterationMs', ours),
    ...figuresOf('bareLoopMs', bare),
    ...figuresOf('copyingLoopMs', copying),
    overheadMs: overhead.median,
  };
  const target = `≤ ${TARGET_MS} ms`;
  return [
    {
      what: `exit-code iteration, ${size} unchanged: overhead over a bare loop`,
      ours: spread(overhead, 'ms'),
      floor: `bare loop: ${digits(bare.median)} ms each`,
      ratio: `${digits(ours.median / bare.median)}`,
      target,
      reached: overhead.median <= TARGET_MS,
      figures,
    },
    {
      what: `exit-code iteration, ${size} unchanged: beside cp -a`,
      ours: spread(overhead, 'ms'),
      floor: spread(copies, 'ms'),
      ratio: digits(overhead.median / copies.median),
      target: '-',
      figures: { overheadMs: overhead.median, copyOverheadMs: copies.median },
    },
  ];
}

function sameRow(small: Measured, large: Measured): Row {
  const [a, b] = [small, large].map(each => each.ours.median - each.bare.median) as [number, number];
  return {
    what: 'exit-code iteration: 1 GiB beside 1 MiB',
    ours: `${digits(b)} ms`,
    floor: `${digits(a)} ms`,
    ratio: digits(b / a),
    target: 'the same (within 20 %)',
    reached: b <= a * 1.2,
    figures: { smallOverheadMs: a, largeOverheadMs: b },
  };
}

function minus(of: Summary, ms: number): Summary {
  return { median: of.median - ms, min: of.min - ms, max: of.max - ms, p95: of.p95 - ms };
}
