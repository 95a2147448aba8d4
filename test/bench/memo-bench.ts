import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openService, type Service } from '../../portlayer/main.js';
import { criuDirectory, makeRootfs, specOf, whyNot } from '../host/container/subject.js';
import { type Bench, type Row, skippedRow } from './row.js';
import { digits, figuresOf, spread, summarize } from './statistics.js';

const WHAT = 'start of a slow Node service, memoized with criu';
const TARGET = '≥ 5 × faster than cold';
const ROUNDS = 5;
const PATIENCE_MS = 60_000;

/** Fills a table, asks for a checkpoint, and says how that was answered. */
const SERVICE = `
const { createHash } = require('node:crypto');
let table = 'seed';
for (let i = 0; i < 1500000; i++) table = createHash('sha256').update(table).digest('hex');
const ask = require('node:net').connect(process.env.PORTLAYER_SOCKET);
ask.write('CHECKPOINT v=1 mech=criu timeout-ms=60000\\n');
ask.on('data', () => {});
ask.on('close', () => { console.log('ready'); setInterval(() => {}, 1000); });
`;

/** From StartContainer to the service's own word that it is ready: from the beginning, and from an entry. */
export const memoBench: Bench = {
  name: 'memo',
  async run() {
    const missing = whyNot() ?? (process.execPath.startsWith('/usr/') ? undefined : 'node is not below /usr');
    if (missing) return [skippedRow(WHAT, TARGET, missing)];
    const stateDirectory = await mkdtemp('/var/tmp/pl-');
    const rootfs = await makeRootfs(stateDirectory);
    await mkdir(`${rootfs}/srv`);
    await writeFile(`${rootfs}/srv/service.js`, SERVICE);
    const service = await openService({
      stateDirectory,
      config: { container: { criuDirectory } },
      log: () => {},
    });
    try {
      return [await measure(service, rootfs)];
    } finally {
      for (const { spec } of (await service.dispatch.listContainers({}, { size: 100 })).items)
        await service.dispatch.removeContainer('', spec.name, true);
      await service[Symbol.asyncDispose]();
      await rm(stateDirectory, { recursive: true, force: true });
    }
  },
};

async function measure({ dispatch }: Service, rootfs: string): Promise<Row> {
  const start = async (name: string, more: object): Promise<number> => {
    const task = { argv: [process.execPath, '/srv/service.js'] };
    await dispatch.createContainer('', { ...specOf(rootfs), name, task, ...more });
    const startedAt = performance.now();
    await dispatch.startContainer('', name);
    for await (const { text } of dispatch.logs(name, { follow: true }, AbortSignal.timeout(PATIENCE_MS)))
      if (text.includes('ready')) return performance.now() - startedAt;
    throw new Error(`${name} ended before it was ready`);
  };
  const cold: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    // Without the capture: what a start costs that is not memoized.
    cold.push(await start(`cold-${i}`, { trigger: { allow: false } }));
    await dispatch.removeContainer('', `cold-${i}`, true);
  }
  await start('first', { memo: {} });
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(50))
    if ((await dispatch.listCheckpoints({ published: true }, { size: 1 })).items.length > 0) break;
  const warm: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    warm.push(await start(`warm-${i}`, { memo: {} }));
    const { memo } = await dispatch.getContainer(`warm-${i}`);
    if (!memo?.hit) throw new Error(`warm-${i} was a miss: ${memo?.reason}`);
  }
  const [ours, floor] = [summarize(warm), summarize(cold)];
  const ratio = floor.median / ours.median;
  return {
    what: WHAT,
    ours: spread(ours, 'ms'),
    floor: `cold: ${spread(floor, 'ms')}`,
    ratio: `${digits(ratio)} × faster`,
    target: TARGET,
    reached: ratio >= 5,
    figures: { ...figuresOf('oursMs', ours), ...figuresOf('coldMs', floor), ratio },
  };
}
