import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rejection } from '../../conformance/rejection.js';
import { whyNot } from '../container/subject.js';
import { whyNoSshd } from './sshd.js';
import { openTwoHosts, type TwoHosts } from './two-hosts.js';

const counter = ['sh', '-c', 'echo mine >/own; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'];
const limit = () => AbortSignal.timeout(15_000);

describe('containers on two remote hosts', function () {
  this.timeout(120_000);
  let hosts: TwoHosts;
  before(async function () {
    const reason = whyNoSshd() ?? whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    hosts = await openTwoHosts();
  });
  afterEach(() => hosts?.world.clear());
  after(() => hosts?.close());

  const last = async (name: string) => Number((await hosts.world.output(name)).at(-1) ?? 0);
  async function fork(source: { checkpoint: string } | { container: string }, environment: string) {
    const request = { source, count: 1, labels: {}, environment };
    for await (const outcome of hosts.world.dispatch.fork('', request, limit())) {
      if (outcome.error !== undefined) throw outcome.error;
      return outcome.name;
    }
    throw new Error('nothing was forked');
  }

  it('are forked from one to the other, with memory and disk, and both count on', async () => {
    const { world, a, b } = hosts;
    await world.run('one', counter, { environment: 'a' });
    await world.said('one', /^5$/);
    const copy = await fork({ container: 'one' }, 'b');
    const first = Number(await world.said(copy, /^\d+$/));
    assert.ok(first >= 5, `it counted on from ${first}`);
    assert.equal(await world.exec(copy, 'cat /own'), 'mine\n');
    const [there, here] = [await last(copy), await last('one')];
    await world.said(copy, new RegExp(`^${there + 3}$`));
    await world.said('one', new RegExp(`^${here + 3}$`));
    const record = await world.dispatch.getContainer(copy);
    assert.equal(record.spec.environment, 'b');
    assert.ok(
      existsSync(`${b.directory}/state/container/containers/${record.uid}`) || existsSync(b.directory),
    );
    assert.ok(existsSync(a.directory));
  });

  it('come from this machine, and go back to it', async () => {
    const { world } = hosts;
    await world.run('one', counter);
    await world.said('one', /^3$/);
    const there = await fork({ container: 'one' }, 'a');
    await world.said(there, /^\d+$/);
    const back = await fork({ container: there }, 'local');
    assert.ok(Number(await world.said(back, /^\d+$/)) >= 3);
    assert.equal(await world.exec(back, 'cat /own'), 'mine\n');
  });

  it('are moved under their names, and nothing of them is left', async () => {
    const { world } = hosts;
    const before = await world.run('one', counter, { environment: 'a' });
    await world.said('one', /^5$/);
    const moved = await world.dispatch.moveContainer('', { container: 'one', environment: 'b' }, limit());
    assert.equal(moved.container.spec.environment, 'b');
    assert.ok(moved.downtimeMs > 0);
    const now = await world.dispatch.getContainer('one');
    assert.equal(now.state, 'running');
    assert.notEqual(now.uid, before.uid);
    assert.ok(Number(await world.said('one', /^\d+$/)) >= 5);
    const all = await world.dispatch.listContainers({}, { size: 1000 });
    assert.deepEqual(
      all.items.map(({ spec }) => spec.name),
      ['one'],
    );
  });

  it('run on where they were when a move fails', async () => {
    const { world, b } = hosts;
    await world.run('one', counter, { environment: 'a' });
    await world.said('one', /^5$/);
    await b.stop();
    try {
      const move = world.dispatch.moveContainer('', { container: 'one', environment: 'b' }, limit());
      await rejection(move, 'EXECUTOR_UNAVAILABLE');
    } finally {
      await b.start();
    }
    const record = await world.dispatch.getContainer('one');
    assert.deepEqual([record.state, record.spec.environment, record.moving], ['running', 'a', undefined]);
    const count = await last('one');
    await world.said('one', new RegExp(`^${count + 3}$`));
    const all = await world.dispatch.listContainers({}, { size: 1000 });
    assert.equal(all.items.length, 1);
  });

  it('live on while the link is down, and a trigger made meanwhile is answered when it is back', async () => {
    const { world, a } = hosts;
    const asks =
      'echo ready; while ! test -e /go; do sleep 0.1; done; sleep 1; checkpoint; echo "answer $?"; sleep 1000';
    await world.run('one', ['sh', '-c', asks], { environment: 'a' });
    await world.said('one', /^ready$/);
    await world.exec('one', 'touch /go');
    await a.stop();
    await new Promise(resolve => setTimeout(resolve, 3000));
    assert.equal((await world.dispatch.getContainer('one')).state, 'running');
    await a.start();
    await world.said('one', /^answer 0$/, 60_000);
    const { items } = await world.dispatch.listCheckpoints({ container: 'one' }, { size: 10 });
    assert.deepEqual(
      items.map(({ mechanism, source }) => [mechanism, source]),
      [['criu', 'guest']],
    );
  });

  it('are taken up again by a service that could not reach their host when it started', async () => {
    const { world, a } = hosts;
    await world.run('one', counter, { environment: 'a' });
    await world.said('one', /^3$/);
    await world.endService();
    await a.stop();
    await world.beginService();
    assert.equal((await world.dispatch.getContainer('one')).state, 'running');
    await a.start();
    const until = Date.now() + 60_000;
    for (;;) {
      const count = await last('one').catch(() => 0);
      if (count > 3) break;
      assert.ok(Date.now() < until, 'it was not taken up');
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    await world.dispatch.stopContainer('', 'one', 100);
    assert.equal((await world.dispatch.getContainer('one')).state, 'exited');
  });
});
