import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Checkpoint, createClient } from '../../portlayer/client/client.js';
import { type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

/** How often the service is killed. */
const KILLS = Number(process.env.PORTLAYER_TEST_KILLS ?? 200);
/** The longest time it lives before it is killed again, in milliseconds: from within its start to deep in its work. */
const LONGEST_LIFE_MS = 400;

const COUNT =
  'n=$(cat n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > n.new && mv n.new n; sleep 0.03; exit 85';
const ON_SIGNAL =
  'n=$(cat n 2>/dev/null || echo 0); trap "echo $((n + 1)) > n.new && mv n.new n; exit 85" USR2; while :; do sleep 0.02; done';

describe('a service that is killed at random moments', function () {
  this.timeout(1_500_000);
  let service: ServiceUnderTest;

  before(async () => {
    service = serviceUnderTest();
    await service.start();
  });
  after(() => service.close());

  it(`loses no committed checkpoint, lists no partial one, ends no task: ${KILLS} kills`, async () => {
    const { client, stateDirectory } = service;
    const create = async (name: string, script: string): Promise<void> => {
      const exitCode = { maxIterations: 1_000_000 };
      await client.createContainer({ name, task: { argv: ['/bin/sh', '-c', script], exitCode } });
      await client.startContainer(name);
    };
    await create('loop', COUNT);
    await create('asked', ON_SIGNAL);
    await client.createContainer({
      name: 'steady',
      task: { argv: ['/bin/sh', '-c', 'while :; do sleep 1; done'] },
    });
    await client.startContainer('steady');

    const committed = new Set<string>();
    const removing = new Set<string>();
    const steady = monitorOf(stateDirectory, (await client.getContainer('steady')).uid);
    let highest = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const stopWork = new AbortController();
      const work = disturb(service, removing, stopWork.signal);
      await new Promise(resolve => setTimeout(resolve, Math.random() * LONGEST_LIFE_MS));
      await service.kill();
      stopWork.abort();
      await work;
      await service.start();

      const all = await everyCheckpoint(service);
      const listed = new Set(all.map(checkpoint => checkpoint.crid));
      for (const crid of committed)
        expect(listed.has(crid) || removing.has(crid), `${crid} was lost`).to.equal(true);
      for (const checkpoint of all) {
        expectWhole(stateDirectory, checkpoint);
        if (checkpoint.state === 'committed' && !removing.has(checkpoint.crid))
          committed.add(checkpoint.crid);
      }
      for (const crid of removing) committed.delete(crid);
      // Each iteration counts one up: none is left out and none is done twice.
      for (const { container, iteration, crid } of all.filter(isWhole)) {
        const recorded = join(stateDirectory, 'layers', crid, 'n');
        if (container === 'loop')
          expect(Number(readFileSync(recorded, 'utf8')), `iteration of ${crid}`).to.equal(iteration);
      }
      const { iteration, state } = await client.getContainer('loop');
      expect(iteration).to.be.at.least(highest);
      expect(state).to.be.oneOf(['running', 'starting', 'iterating']);
      highest = iteration;
      expect(monitorOf(stateDirectory, (await client.getContainer('steady')).uid)).to.equal(steady);
    }
    expect(highest).to.be.greaterThan(KILLS / 4);
    expect(removing.size).to.be.greaterThan(5);
    expect(committed.size).to.be.greaterThan(10);
    console.log(
      `      ${highest} iterations, ${committed.size} checkpoints kept, ${removing.size} removed, over ${KILLS} kills`,
    );
  });

  it('leaves nothing behind when its containers are removed', async () => {
    for (const name of ['loop', 'asked', 'steady'])
      await service.client.removeContainer(name, { force: true });
    for (const { crid } of await everyCheckpoint(service))
      await service.client.removeCheckpoint(crid, { force: true });
    const left = execFileSync(
      'find',
      ['layers', 'containers', 'checkpoints', 'staging', 'specs', '-mindepth', '1', '-maxdepth', '1'],
      {
        cwd: service.stateDirectory,
        encoding: 'utf8',
      },
    );
    expect(left.trim()).to.equal('');
  });
});

/** Keeps the service busy with what a user does meanwhile, until it dies: checkpoints by signal, publish, remove. */
async function disturb(service: ServiceUnderTest, removing: Set<string>, signal: AbortSignal): Promise<void> {
  // A client that gives up at once when the service is gone.
  const client = createClient({ address: service.address });
  try {
    for (let round = 0; !signal.aborted; round++) {
      for await (const _ of client.createCheckpoint('asked', {}, { signal, timeoutMs: 5000 })) {
        // Progress is of no interest here.
      }
      const { items } = await client.listCheckpoints({ pageSize: 50 }, { signal });
      const old = items[Math.floor(items.length / 2)];
      if (old && items.length > 10) {
        await client.publishCheckpoint(old.crid, `kept:r${round}`, { signal, move: true });
        removing.add(old.crid);
        await client.removeCheckpoint(old.crid, { signal, force: true });
      }
    }
  } catch {
    // The service was killed under a call: that is the point.
  } finally {
    client.close();
  }
}

async function everyCheckpoint({ client }: ServiceUnderTest): Promise<Checkpoint[]> {
  const all: Checkpoint[] = [];
  for (let token = ''; ; ) {
    const page = await client.listCheckpoints({ pageSize: 1000, ...(token && { pageToken: token }) });
    all.push(...page.items);
    if (!page.nextPageToken) return all;
    token = page.nextPageToken;
  }
}

function isWhole({ state }: Checkpoint): boolean {
  return state === 'captured' || state === 'committing' || state === 'committed';
}

/** What is listed as captured or committed can be restored: its layer is there, and its manifest where it is durable. */
function expectWhole(stateDirectory: string, checkpoint: Checkpoint): void {
  if (!isWhole(checkpoint)) return;
  expect(existsSync(join(stateDirectory, 'layers', checkpoint.crid)), `layer of ${checkpoint.crid}`).to.equal(
    true,
  );
  if (checkpoint.state !== 'committed') return;
  const manifest = readFileSync(
    join(stateDirectory, 'checkpoints', checkpoint.crid, 'manifest.json'),
    'utf8',
  );
  expect(JSON.parse(manifest).checkpoint.crid).to.equal(checkpoint.crid);
}

function monitorOf(stateDirectory: string, uid: string): string {
  const pid = readFileSync(join(stateDirectory, 'containers', uid, 'monitor.pid'), 'utf8').trim();
  expect(existsSync(`/proc/${pid}`), 'the monitor of steady').to.equal(true);
  return pid;
}
