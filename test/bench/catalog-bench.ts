import type { Client } from '../../portlayer/client/client.js';
import type { Bench, Row } from './row.js';
import { seedCheckpoints } from './seed.js';
import { startService } from './service-process.js';
import { digits, figuresOf, type Summary, spread, summarize } from './statistics.js';
import { openWorkplace } from './workplace.js';

const RECORDS = 100_000;
const STARTS = 5;
const LISTS = 100;
const LIST_TARGET_MS = 5;
const START_TARGET_MS = 2000;
const COLLECT_TARGET_S = 30;
const RESIDENT_TARGET_MIB = 200;

/** The labels of the seed, by how many of the records have the one that is asked for. */
const selections = [
  { share: '1 in 100', label: 'hundred' },
  { share: '1 in 2', label: 'half' },
  { share: '1 in 1,000', label: 'thousand' },
] as const;

/** A service with 100,000 checkpoints: how it starts, what it takes, how it lists. */
export const catalogBench: Bench = {
  name: 'catalog',
  async run() {
    await using place = openWorkplace();
    const state = place.path('state');
    await seedCheckpoints(state, RECORDS);
    const starts: number[] = [];
    const resident: number[] = [];
    const rows: Row[] = [];
    for (let i = 0; i < STARTS; i++) {
      await using service = await startService(state);
      starts.push(service.startMs);
      resident.push(service.residentMiB());
      if (i < STARTS - 1) continue;
      for (const { share, label } of selections)
        rows.push(listRow(share, await lists(service.client, label)));
      const after = service.residentMiB();
      rows.push(await collectRow(service.client));
      rows.push(startRow(summarize(starts)), residentRow(summarize(resident), after));
    }
    return rows;
  },
};

async function lists(client: Client, label: string): Promise<Summary> {
  const times: number[] = [];
  for (let i = 0; i < LISTS + 10; i++) {
    const startedAt = performance.now();
    const { items } = await client.listCheckpoints({ labels: { [label]: '1' }, pageSize: 100 });
    if (i >= 10) times.push(performance.now() - startedAt);
    if (items.length !== 100) throw new Error(`${items.length} checkpoints were listed instead of 100`);
  }
  return summarize(times);
}

/** What a collection takes that finds nothing to free, as most do: it looks at everything. */
async function collectRow(client: Client): Promise<Row> {
  const startedAt = performance.now();
  for await (const { kind, id } of client.collectGarbage({}, { timeoutMs: 300_000 }))
    throw new Error(`it freed ${kind} ${id}`);
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    what: 'gc over 100,000 checkpoints',
    ours: `${digits(seconds)} s`,
    floor: '-',
    ratio: '-',
    target: `≤ ${COLLECT_TARGET_S} s`,
    reached: seconds <= COLLECT_TARGET_S,
    figures: { collectS: seconds },
  };
}

function listRow(share: string, times: Summary): Row {
  return {
    what: `list 100 of 100,000 checkpoints by a label that ${share} has`,
    ours: spread(times, 'ms'),
    floor: '-',
    ratio: '-',
    target: `p50 ≤ ${LIST_TARGET_MS} ms`,
    reached: times.median <= LIST_TARGET_MS,
    figures: figuresOf('listMs', times),
  };
}

function startRow(times: Summary): Row {
  return {
    what: 'start with 100,000 records until it answers',
    ours: spread(times, 'ms'),
    floor: '-',
    ratio: '-',
    target: `≤ ${START_TARGET_MS} ms`,
    reached: times.median <= START_TARGET_MS,
    figures: figuresOf('startMs', times),
  };
}

function residentRow(first: Summary, after: number): Row {
  return {
    what: 'resident memory with 100,000 records, at the first answer',
    ours: `${spread(first, 'MiB')}; after ${LISTS * selections.length} lists ${digits(after)}`,
    floor: '-',
    ratio: '-',
    target: `≤ ${RESIDENT_TARGET_MIB} MiB`,
    reached: Math.max(first.median, after) <= RESIDENT_TARGET_MIB,
    figures: { ...figuresOf('residentMiB', first), residentAfterMiB: after },
  };
}
