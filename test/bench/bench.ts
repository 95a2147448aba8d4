import { writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { tableLines } from '../../portlayer/cli/table.js';
import { catalogBench } from './catalog-bench.js';
import { criuBench } from './criu-bench.js';
import { dmtcpBench } from './dmtcp-bench.js';
import { iterationBench } from './iteration-bench.js';
import { memoBench } from './memo-bench.js';
import { planBench } from './plan-bench.js';
import { type Bench, type Row, skippedRow } from './row.js';
import { sshBench } from './ssh-bench.js';
import { storeBench } from './store-bench.js';
import { triggerBench } from './trigger-bench.js';
import { unaryBench } from './unary-bench.js';
import { vmforkBench } from './vmfork-bench.js';
import { vsphereBench } from './vsphere-bench.js';

/** Every bench, in the order of the table. A new one is one file and one name here. */
const benches: readonly Bench[] = [
  iterationBench,
  unaryBench,
  catalogBench,
  triggerBench,
  criuBench,
  dmtcpBench,
  planBench,
  memoBench,
];
/** Those that take minutes: run by name only. */
const long: readonly Bench[] = [vmforkBench, sshBench, storeBench, vsphereBench];
const known = [...benches, ...long];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const unknown = positionals.filter(name => !known.some(bench => bench.name === name));
if (unknown.length > 0) {
  const names = known.map(bench => bench.name).join(', ');
  process.stderr.write(`There is no bench ${unknown.join(', ')}. There are: ${names}.\n`);
  process.exit(2);
}
const chosen = positionals.length === 0 ? benches : known.filter(bench => positionals.includes(bench.name));

const machine = describeMachine();
const rows: Row[] = [];
let failed = false;
for (const bench of chosen) {
  const startedAt = performance.now();
  try {
    rows.push(...(await bench.run()));
  } catch (caught) {
    failed = true;
    const reason = caught instanceof Error ? caught.message : String(caught);
    rows.push(skippedRow(bench.name, '-', reason));
  }
  process.stderr.write(`${bench.name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

const head = ['WHAT', 'OURS', 'FLOOR', 'RATIO', 'TARGET', 'REACHED'];
const lines = rows.map(row => [row.what, row.ours, row.floor, row.ratio, row.target, reached(row)]);
process.stdout.write(`${(await tableLines(head, lines)).join('\n')}\n\n${machine}. Median (least–most).\n`);
if (values.json !== undefined) {
  const result = { at: new Date().toISOString(), machine, rows };
  await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
}
process.exitCode = failed ? 1 : 0;

function reached(row: Row): string {
  return row.reached === undefined ? '-' : row.reached ? 'yes' : 'no';
}

function describeMachine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model.trim() ?? 'CPU'}, ${memory} GiB, Linux ${release()}, Node ${process.version}`;
}
