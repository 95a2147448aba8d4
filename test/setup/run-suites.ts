import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Runs the suites one after another, from the fast to the slow, and ends with one line that counts them all.
// Arguments choose suites by name: `npm test -- unit`.

/** What a suite came to. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Titles of the tests that were tried a second time. */
  again: string[];
}

const SUITES = [
  { name: 'unit', files: 'test/unit/**/*.test.ts', minutes: 8 },
  { name: 'host', files: 'test/host/{process,container,vsphere,dmtcp}/**/*.test.ts', minutes: 20 },
  { name: 'ssh', files: 'test/host/ssh/*.test.ts', minutes: 10 },
  { name: 'integration', files: 'test/integration/**/*.test.ts', minutes: 40 },
  { name: 'machine', files: 'test/host/qemu/*.test.ts', minutes: 20 },
  // A boot for nearly each of its tests, mostly under emulation: by name only.
  { name: 'machine-conformance', files: 'test/host/qemu/long/*.test.ts', minutes: 30, byName: true },
  // The whole conformance suite of the container executor as an ordinary user; its core is in `host`.
  { name: 'rootless', files: 'test/host/rootless/*.test.ts', minutes: 10, byName: true },
  // Every executor once more, on a remote host; and a hundred cuts.
  { name: 'remote', files: 'test/host/ssh/by-name/*.test.ts', minutes: 30, byName: true },
] as const;

const wanted = process.argv.slice(2);
const total: Counts = { passed: 0, failed: 0, skipped: 0, again: [] };
const scratch = mkdtempSync(join(tmpdir(), 'portlayer-counts-'));
for (const suite of SUITES) {
  if (wanted.length > 0 ? !wanted.includes(suite.name) : 'byName' in suite) continue;
  const startedAt = Date.now();
  console.log(`\n== ${suite.name} ==`);
  const counts = runSuite(suite.name, suite.files, suite.minutes);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  total.again.push(...counts.again);
  console.log(`${suite.name}: ${Math.round((Date.now() - startedAt) / 1000)} s`);
}
rmSync(scratch, { recursive: true, force: true });
if (total.again.length > 0) console.log(`\nTried a second time:\n  ${total.again.join('\n  ')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

function runSuite(name: string, files: string, minutes: number): Counts {
  const file = join(scratch, name);
  const reporter = 'test/setup/counting-reporter.cjs';
  // Real parts on a busy machine: each test has a second try, and the report names those that took it.
  const mocha = [
    'node_modules/mocha/bin/mocha.js',
    '--exit',
    '--retries',
    '1',
    '--reporter',
    reporter,
    files,
  ];
  const { status } = spawnSync(process.execPath, mocha, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PORTLAYER_TEST_COUNTS: file },
    timeout: minutes * 60_000,
    killSignal: 'SIGKILL',
  });
  const counts = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Counts)
    : { passed: 0, failed: 0, skipped: 0, again: [] };
  // Mocha itself failed, or was ended for taking too long: that must not look like a pass.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
