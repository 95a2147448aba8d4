import { strict as assert } from 'node:assert';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../../portlayer/client/client.js';
import { type ServiceUnderTest, serviceUnderTest } from '../../integration/service-under-test.js';
import { whyNot } from './subject.js';

/** How often the service is killed; more with PORTLAYER_TEST_KILLS. */
const KILLS = Number(process.env.PORTLAYER_TEST_KILLS ?? 10);
/** The longest time it works before it is killed, in milliseconds: a dump and some forks take about as long. */
const LONGEST_WORK_MS = 2000;
const PATIENCE_MS = 120_000;
const script = 'i=0; while :; do i=$((i+1)); echo $i > /state/n; echo $i; sleep 0.2; done';

describe('a service over machines that is killed at random moments', function () {
  this.timeout(900_000);
  let service: ServiceUnderTest;
  let directory: string;
  before(async function () {
    this.timeout(0); // What it waits for has limits of its own; a hook has no second try.
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    directory = await mkdtemp('/var/tmp/plq-kill-');
    const config = join(directory, 'config.json');
    writeFileSync(config, JSON.stringify({ qemu: { accelerator: 'tcg', bootMs: 60_000 } }));
    mkdirSync(join(directory, 's'), { mode: 0o700 });
    service = serviceUnderTest(join(directory, 's'), ['--config', config]);
    await service.start();
  });
  after(async () => {
    await service?.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const count = async (name: string): Promise<number> => {
    let last = 0;
    for await (const entry of service.client.streamLogs(name))
      if (/^\d+$/.test(entry.text)) last = Number(entry.text);
    return last;
  };
  const goesOn = async (name: string): Promise<void> => {
    const at = await count(name);
    for (const until = Date.now() + PATIENCE_MS; (await count(name)) < at + 2; await sleep(50))
      if (Date.now() > until) throw new Error(`${name} stands still at ${at}\n${service.log()}`);
  };
  const qemus = () =>
    readdirSync('/proc').filter(pid => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return argv[0]?.includes('qemu-system') && argv.some(part => part.includes(service.stateDirectory));
      } catch {
        return false;
      }
    });

  it(`ends no machine, lists no partial checkpoint, leaves none over: ${KILLS} kills in dumps, splits and forks`, async () => {
    const { client, stateDirectory } = service;
    await client.createContainer({
      name: 'steady',
      executor: 'qemu',
      loader: 'kernel',
      network: 'none',
      resources: { memoryBytes: 128 * 2 ** 20 },
      executorOptions: { standby: 1 },
      task: { argv: ['sh', '-c', script] },
    });
    await client.startContainer('steady');
    await goesOn('steady');
    let captured = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const work = disturb(service);
      await sleep(Math.random() * LONGEST_WORK_MS);
      await service.kill();
      await work;
      await service.start();

      await goesOn('steady');
      const { items } = await client.listCheckpoints({ pageSize: 1000 });
      captured = Math.max(captured, items.length);
      for (const { crid, state } of items) {
        if (!['captured', 'committing', 'committed'].includes(state)) continue;
        const whole =
          state === 'committed' ? ['checkpoints', 'manifest.json'] : ['staging', 'portlayer.json'];
        const [place = '', file = ''] = whole;
        assert.ok(existsSync(join(stateDirectory, place, crid, file)), `the image of ${crid}, ${state}`);
      }
      const newest = items[0];
      // Each of them can be forked, whatever was killed meanwhile; the oldest go, so that the disk does not fill.
      if (newest && kill % 4 === 3) {
        await client.restoreCheckpoint(newest.crid, { name: 'whole' });
        await goesOn('whole');
        await client.removeContainer('whole', { force: true });
      }
      for (const { crid } of items.slice(3)) await client.removeCheckpoint(crid, { force: true });
      for (const { spec, state } of (await client.listContainers({ pageSize: 1000 })).items) {
        if (spec.name === 'steady') continue;
        if (state === 'running') await goesOn(spec.name);
        await client.removeContainer(spec.name, { force: true });
      }
    }
    console.log(`      ${KILLS} kills; at most ${captured} checkpoints at a time`);
    await service.kill();
    await service.start();
    for (const { crid } of (await client.listCheckpoints({ pageSize: 1000 })).items)
      await client.removeCheckpoint(crid, { force: true });
    for (const until = Date.now() + PATIENCE_MS; qemus().length !== 1; await sleep(100))
      assert.ok(Date.now() < until, `${qemus().length} machines run instead of one\n${service.log()}`);
    await client.removeContainer('steady', { force: true });
    assert.deepEqual(readdirSync(join(stateDirectory, 'qemu/c')), []);
    assert.deepEqual(readdirSync(join(stateDirectory, 'qemu/s')), []);
    assert.deepEqual(readdirSync(join(stateDirectory, 'staging')), []);
  });
});

/** Dumps and forks until the service is dead. */
async function disturb(service: ServiceUnderTest): Promise<void> {
  const client: Client = createClient({ address: service.address });
  try {
    for (;;) {
      let crid = '';
      for await (const step of client.createCheckpoint('steady', { mechanism: 'vmfork' }))
        crid = step.kind === 'progress' ? step.crid : step.checkpoint.crid;
      for await (const _ of client.fork({ checkpoint: crid }, { count: 2 })) {
        // One result after the other is of no interest here.
      }
    }
  } catch {
    // The service was killed under a call: that is the point.
  } finally {
    client.close();
  }
}
