import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootParent, counted, PARENT, type Parent } from './parent.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const PATIENCE_MS = 60_000;

describe('copies of machines that were made ready', function () {
  this.timeout(300_000);
  let world: World;
  let parent: Parent;
  before(async function () {
    this.timeout(0); // What it waits for has limits of its own; a hook has no second try.
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
    parent = await bootParent(world, { executorOptions: { standby: 2 }, network: 'none' });
    await world.dispatch.publishCheckpoint('', parent.crid, 'ready:always', false);
  });
  afterEach(async () => world?.clear([PARENT, parent?.crid]));
  after(async () => world?.close());
  const waiting = () => world.processes(/^-S$|\/s\/.*qmp/, 'qemu-system-x86_64');
  /** Those of them that belong to nobody. */
  const ready = async (count: number): Promise<number[]> => {
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(50)) {
      const used = await Promise.all(
        (await world.dispatch.listContainers({}, { size: 100 })).items
          .filter(({ state, spec }) => state === 'running' && spec.executor === 'qemu')
          .map(({ spec }) => world.qemu(spec.name)),
      );
      const free = (await waiting()).filter(pid => !used.includes(pid));
      if (free.length === count) return free;
    }
    throw new Error(`there are not ${count} standbys`);
  };
  const wasReady = async (name: string) =>
    (await world.dispatch.getContainer(name)).handle?.data.standby === true;

  it('are used by a fork, are themselves afterwards, and are made ready anew', async () => {
    const before = await ready(2);
    const names = await world.fork({ checkpoint: parent.crid }, 2, 'quick');
    for (const name of names) {
      assert.equal(await wasReady(name), true);
      const line = await world.said(name, /^fork /);
      assert.match(line, new RegExp(`^fork code=10 answer=restored host=${name} `));
      assert.equal(await world.said(name, /^disk=/), `disk=${name}`);
    }
    const after = await ready(2);
    assert.ok(after.every(pid => !before.includes(pid)));
  });

  it('become containers like others: checkpointed, stopped, taken up by the next service', async () => {
    await ready(2);
    const [one = '', two = ''] = await world.fork({ checkpoint: parent.crid }, 2, 'like');
    assert.equal(await wasReady(one), true);
    await world.restart();
    assert.equal(await world.state(one), 'running');
    const { crid } = await world.checkpoint(one);
    await world.restore(crid, 'of-a-standby');
    assert.ok((await counted(world, 'of-a-standby')) >= 0);
    await world.dispatch.stopContainer('', two, 500);
    assert.equal(await world.state(two), 'exited');
    await world.dispatch.removeContainer('', two, true);
  });

  it('are not missed where they were killed: the copy is made as without them', async () => {
    for (const pid of await ready(2)) process.kill(pid, 'SIGKILL');
    const [name = ''] = await world.fork({ checkpoint: parent.crid }, 1, 'anyway');
    await world.said(name, /^fork code=10 /);
  });

  it('end with the service that made them, and are made again for what is published', async () => {
    const before = await ready(2);
    await world.restart();
    const after = await ready(2);
    assert.ok(after.every(pid => !before.includes(pid)));
  });

  it('end with their image', async () => {
    await ready(2);
    const { crid } = await world.checkpoint(PARENT);
    await ready(4);
    await world.dispatch.removeCheckpoint('', crid, true);
    await ready(2);
  });
});
