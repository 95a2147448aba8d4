import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UsableDmtcp } from '../../loaders/dmtcp/find-dmtcp.js';
import { findHere, whyNot } from '../host/dmtcp/subject.js';
import { type DmtcpWorld, openDmtcpWorld } from '../host/dmtcp/world.js';
import { type Bench, type Row, skippedRow } from './row.js';

const sizes: readonly (readonly [number, number])[] = [
  [10, 0.35],
  [100, 0.5],
  [500, 0.8],
];
const repeats = 5;
const launches = 10;

/** Checkpoint, restart and launch by the loader `dmtcp` beside DMTCP's own commands, on the host, on the same program in the same run. */
export const dmtcpBench: Bench = {
  name: 'dmtcp',
  async run() {
    const reason = await whyNot();
    if (reason !== undefined) return [skippedRow('checkpoint and restart under DMTCP', '-', reason)];
    const found = await findHere();
    if (found.bin === undefined) return [];
    const dmtcp = await openDmtcpWorld();
    const raw = new RawDmtcp(found, join(dmtcp.world.stateDirectory, 'raw'));
    try {
      const rows: Row[] = [];
      for (const [size, target] of sizes) rows.push(...(await benchSize(dmtcp, raw, size, target)));
      rows.push(await benchLaunch(dmtcp, raw));
      return rows;
    } finally {
      raw.close();
      await dmtcp.world.close();
    }
  },
};

/** Says something every 2 ms, once it has filled its memory with what cannot be compressed. */
const program = (megabytes: number) =>
  `import os, time\nkept = bytearray(os.urandom(${megabytes} << 20))\nprint("ready", flush=True)\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.002)`;

async function benchSize(dmtcp: DmtcpWorld, raw: RawDmtcp, size: number, target: number): Promise<Row[]> {
  const { world } = dmtcp;
  const argv = ['/usr/bin/python3', '-c', program(size)];
  const ours = { dump: [] as number[], frozen: [] as number[], restart: [] as number[] };
  const theirs = { dump: [] as number[], restart: [] as number[] };
  await dmtcp.run('ours', argv);
  await world.said('ours', /^ready$/);
  const original = await raw.launch(argv);
  for (let i = 0; i <= repeats; i++) {
    const began = performance.now();
    const record = await dmtcp.checkpoint('ours');
    const dumpMs = performance.now() - began;
    const restartMs = await restartTime(dmtcp, record.crid, `copy${i}`);
    await world.dispatch.removeCheckpoint('', record.crid, true);
    const rawMs = raw.checkpoint(original);
    const rawRestartMs = await raw.restart(original);
    if (i === 0) continue; // Caches are warm from here on, for both.
    ours.dump.push(dumpMs);
    ours.frozen.push(record.phases.frozenMs ?? 0);
    ours.restart.push(restartMs);
    theirs.dump.push(rawMs);
    theirs.restart.push(rawRestartMs);
  }
  raw.end(original);
  await world.clear();
  return [
    row(`DMTCP: checkpoint, ${size} MB`, ours.dump, theirs.dump, target),
    row(`DMTCP: of it suspended, ${size} MB`, ours.frozen, theirs.dump),
    row(`DMTCP: restart to first output, ${size} MB`, ours.restart, theirs.restart, 1.1),
  ];
}

async function restartTime({ world }: DmtcpWorld, crid: string, name: string): Promise<number> {
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
  const log = join(world.stateDirectory, 'container/containers', uid, 'log');
  while (!existsSync(log) || statSync(log).size === 0) await sleep(1);
  const ms = performance.now() - began;
  await restored;
  await world.dispatch.removeContainer('', name, true);
  return ms;
}

/** What DMTCP adds to a start: here between the loaders `dmtcp` and `init`, there between dmtcp_launch and the bare program. */
async function benchLaunch(dmtcp: DmtcpWorld, raw: RawDmtcp): Promise<Row> {
  const argv = ['/bin/echo', 'first'];
  const times = { dmtcp: [] as number[], init: [] as number[], launch: [] as number[], bare: [] as number[] };
  for (let i = 0; i < launches; i++) {
    for (const loader of ['dmtcp', 'init'] as const) {
      const name = `${loader}${i}`;
      const began = performance.now();
      const record = await dmtcp.run(name, argv, { loader });
      const log = join(dmtcp.world.stateDirectory, 'container/containers', record.uid, 'log');
      while (!existsSync(log) || statSync(log).size === 0) await sleep(1);
      times[loader].push(performance.now() - began);
      await dmtcp.world.dispatch.removeContainer('', name, true);
    }
    times.launch.push(await raw.toFirstOutput(argv, true));
    times.bare.push(await raw.toFirstOutput(argv, false));
  }
  const ours = times.dmtcp.map((ms, i) => ms - (times.init[i] ?? 0));
  const theirs = times.launch.map((ms, i) => ms - (times.bare[i] ?? 0));
  const more = median(ours) - median(theirs);
  return {
    what: 'DMTCP: what it adds to a start',
    ours: shown(ours),
    floor: shown(theirs),
    ratio: `${more >= 0 ? '+' : ''}${more.toFixed(1)} ms`,
    target: '≤ +15 ms',
    reached: more <= 15,
    figures: { oursMs: median(ours), floorMs: median(theirs) },
  };
}

function row(what: string, ours: readonly number[], floor: readonly number[], target?: number): Row {
  const ratio = median(ours) / median(floor);
  return {
    what,
    ours: shown(ours),
    floor: shown(floor),
    ratio: ratio.toFixed(2),
    target: target === undefined ? '-' : `≤ ${target}`,
    ...(target === undefined ? {} : { reached: ratio <= target }),
    figures: { oursMs: median(ours), floorMs: median(floor) },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function shown(values: readonly number[]): string {
  const round = (ms: number) => ms.toFixed(ms < 10 ? 1 : 0);
  return `${round(median(values))} ms (${round(Math.min(...values))}–${round(Math.max(...values))})`;
}

interface Launched {
  readonly directory: string;
  readonly port: string;
  readonly kill: () => void;
}

/** DMTCP's own commands on the host, as its documentation has them, without compression. */
class RawDmtcp {
  readonly #found: UsableDmtcp;
  readonly #directory: string;
  readonly #running = new Set<Launched>();
  #count = 0;

  constructor(found: UsableDmtcp, directory: string) {
    this.#found = found;
    this.#directory = directory;
  }

  async launch(argv: readonly string[]): Promise<Launched> {
    const { directory, options } = this.#place();
    const child = spawn(`${this.#found.bin}/dmtcp_launch`, [...options, '--no-gzip', ...argv], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise(resolve => child.stdout.once('data', resolve));
    child.stdout.resume();
    const port = readFileSync(join(directory, 'port'), 'utf8').trim();
    const launched = { directory, port, kill: () => void child.kill('SIGKILL') };
    this.#running.add(launched);
    return launched;
  }

  checkpoint({ port }: Launched): number {
    const began = performance.now();
    execFileSync(`${this.#found.bin}/dmtcp_command`, ['-p', port, '-bc'], { stdio: 'pipe' });
    return performance.now() - began;
  }

  /** Restarts the image beside its original; the milliseconds to its first output. */
  async restart({ directory }: Launched): Promise<number> {
    const images = execFileSync('sh', ['-c', `ls ${directory}/ckpt_*.dmtcp`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const place = this.#place();
    const began = performance.now();
    const flags = [...place.options, '--no-strict-checking', '-q', '-q'];
    const child = spawn(`${this.#found.bin}/dmtcp_restart`, [...flags, ...images], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise(resolve => child.stdout.once('data', resolve));
    const ms = performance.now() - began;
    const port = readFileSync(join(place.directory, 'port'), 'utf8').trim();
    execFileSync(`${this.#found.bin}/dmtcp_command`, ['-p', port, '-q'], { stdio: 'pipe' });
    child.kill('SIGKILL');
    rmSync(place.directory, { recursive: true, force: true });
    return ms;
  }

  /** Milliseconds from nothing to the first output, under DMTCP or not. */
  async toFirstOutput(argv: readonly string[], under: boolean): Promise<number> {
    const { directory, options } = this.#place();
    const began = performance.now();
    const command = under ? [`${this.#found.bin}/dmtcp_launch`, ...options, '-q', '-q', ...argv] : argv;
    const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise(resolve => child.stdout.once('data', resolve));
    const ms = performance.now() - began;
    await new Promise(resolve => (child.exitCode === null ? child.once('exit', resolve) : resolve(0)));
    rmSync(directory, { recursive: true, force: true });
    return ms;
  }

  end(launched: Launched): void {
    execFileSync(`${this.#found.bin}/dmtcp_command`, ['-p', launched.port, '-q'], { stdio: 'pipe' });
    launched.kill();
    this.#running.delete(launched);
  }

  close(): void {
    for (const launched of this.#running) this.end(launched);
  }

  #place(): { directory: string; options: string[] } {
    const directory = join(this.#directory, String(++this.#count));
    mkdirSync(directory, { recursive: true });
    const options = ['--new-coordinator', '--coord-port', '0', '--port-file', join(directory, 'port')];
    return { directory, options: [...options, '--ckptdir', directory, '--tmpdir', directory] };
  }
}
