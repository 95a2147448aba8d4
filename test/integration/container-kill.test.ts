import { existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Checkpoint, createClient } from '../../portlayer/client/client.js';
import { leftovers, taskStates } from '../host/container/leftovers.js';
import { criuDirectory, makeRootfs, specOf, whyNot } from '../host/container/subject.js';
import { type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

/** How often the service is killed. */
const KILLS = Number(process.env.PORTLAYER_TEST_CONTAINER_KILLS ?? 15);
/** The longest time it lives on once a dump or a restore is under way, in milliseconds: into the third or fourth. */
const LONGEST_MS = 400;
const PATIENCE_MS = 60_000;

describe('a service that is killed at random moments of CRIU’s dumps and restores', function () {
  this.timeout(300_000);
  let service: ServiceUnderTest;
  let rootfs = '';
  const uids = new Set<string>();

  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    const stateDirectory = mkdtempSync('/var/tmp/pl-');
    rootfs = await makeRootfs(stateDirectory);
    const config = { container: { criuDirectory, restoreMs: 5000 } };
    writeFileSync(join(stateDirectory, 'config.json'), JSON.stringify(config));
    service = serviceUnderTest(stateDirectory);
    await service.start();
  });
  after(() => service?.close());

  it(`the original runs on and is not frozen, nothing partial is listed: ${KILLS} kills`, async () => {
    const { client, stateDirectory } = service;
    const argv = ['sh', '-c', 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05; done'];
    await client.createContainer({ ...specOf(rootfs), name: 'one', task: { argv } });
    const { uid } = await client.startContainer('one');
    uids.add(uid);
    await goesOn(service, 'one');
    let base = '';
    const wanted = { mechanism: 'criu', durability: 'committed' } as const;
    for await (const step of client.createCheckpoint('one', wanted))
      if (step.kind === 'checkpoint') base = step.checkpoint.crid;

    let hits = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const stopWork = new AbortController();
      const work = disturb(service, base, kill, stopWork.signal);
      for (const until = Date.now() + PATIENCE_MS; !underWay(stateDirectory); await sleep(2))
        expect(Date.now(), 'a dump or a restore began').to.be.lessThan(until);
      await sleep(Math.random() * LONGEST_MS);
      await service.kill();
      hits += underWay(stateDirectory) ? 1 : 0;
      stopWork.abort();
      await work;
      await service.start();

      await goesOn(service, 'one');
      expect(underWay(stateDirectory), 'no dump is taken to be under way').to.equal(false);
      for (const { uid: copy, state, spec } of (await client.listContainers({ pageSize: 100 })).items) {
        uids.add(copy);
        if (state === 'running') await goesOn(service, spec.name);
        else expect(leftovers(stateDirectory, copy), `${spec.name} is ${state}`).to.deep.equal([]);
        if (copy !== uid) await client.removeContainer(spec.name, { force: true });
      }
      for (const checkpoint of await listed(service)) expectWhole(stateDirectory, checkpoint);
    }
    expect(hits, 'kills that came in a dump or a restore').to.be.greaterThan(0);
    console.log(`      ${hits} of ${KILLS} kills came in a dump or a restore`);
  });

  it('a checkpoint taken then, and the newest that was kept, can be restored', async () => {
    const { client } = service;
    const kept = (await listed(service)).at(-1)!;
    for await (const _ of client.createCheckpoint('one', { mechanism: 'criu' })) {
      // Progress is of no interest here.
    }
    const taken = (await listed(service)).find(({ crid }) => crid > kept.crid)!;
    for (const [name, { crid }] of Object.entries({ kept, taken })) {
      uids.add((await client.restoreCheckpoint(crid, { name })).uid);
      await goesOn(service, name);
    }
  });

  it('nothing is left behind when all is removed', async () => {
    const { client, stateDirectory } = service;
    for (const { spec } of (await client.listContainers({ pageSize: 100 })).items)
      await client.removeContainer(spec.name, { force: true });
    for (const { crid } of await listed(service)) await client.removeCheckpoint(crid, { force: true });
    for (const uid of uids) expect(leftovers(stateDirectory, uid)).to.deep.equal([]);
    for (const name of [
      'staging',
      'checkpoints',
      'container/layers',
      'container/containers',
      'container/runc',
    ])
      expect(readdirSync(join(stateDirectory, name)), name).to.deep.equal([]);
  });
});

/** Checkpoints and restores at once, again and again, until the service dies. */
async function disturb(
  service: ServiceUnderTest,
  base: string,
  kill: number,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient({ address: service.address });
  const options = { signal, timeoutMs: PATIENCE_MS };
  const dumps = async (): Promise<void> => {
    for (;;)
      for await (const step of client.createCheckpoint('one', { mechanism: 'criu' }, options))
        if (step.kind === 'checkpoint') await client.getCheckpoint(step.checkpoint.crid, options);
  };
  const restores = async (): Promise<void> => {
    for (let i = 0; ; i++) await client.restoreCheckpoint(base, { name: `copy-${kill}-${i}` }, options);
  };
  // The service is killed under each of them: that is the point.
  await Promise.allSettled([dumps(), restores()]);
  client.close();
}

/** Whether the executor has written down that it dumps or restores one. */
function underWay(stateDirectory: string): boolean {
  const containers = join(stateDirectory, 'container/containers');
  return readdirSync(containers).some(uid =>
    ['dumping.json', 'restoring.json'].some(name => existsSync(join(containers, uid, name))),
  );
}

async function listed({ client }: ServiceUnderTest): Promise<readonly Checkpoint[]> {
  return (await client.listCheckpoints({ pageSize: 1000 })).items;
}

/** What is listed was captured at least: its layer is there, and its dump or its manifest. */
function expectWhole(stateDirectory: string, { crid, state }: Checkpoint): void {
  expect(state).to.be.oneOf(['captured', 'committing', 'committed']);
  const whole = [`container/layers/${crid}`, `staging/${crid}/portlayer.json`].every(name =>
    existsSync(join(stateDirectory, name)),
  );
  const durable = existsSync(join(stateDirectory, 'checkpoints', crid, 'manifest.json'));
  expect(state === 'committed' ? durable : whole, `${crid} is ${state}`).to.equal(true);
}

async function goesOn({ client, stateDirectory }: ServiceUnderTest, name: string): Promise<void> {
  const newest = async (): Promise<string> => {
    let text = '';
    for await (const entry of client.streamLogs(name, { tail: 1 })) text = entry.text;
    return text;
  };
  const before = await newest();
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(50))
    if ((await newest()) !== before) return;
  expect.fail(`${name} does not go on: ${taskStates(stateDirectory)}`);
}
