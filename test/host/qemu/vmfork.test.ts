import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { rejection } from '../../conformance/rejection.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

/** Fills memory, writes to the disk, asks to be forked, and says what it is afterwards. */
const forks = `
head -c 8000000 /dev/urandom > /dev/shm/memory
echo of-the-parent > /state/file
echo sum $(md5sum < /dev/shm/memory)
answer=$(checkpoint --mechanism vmfork); code=$?
echo "fork code=$code answer=$answer host=$(hostname) id=$(cat /etc/machine-id) mac=$(cat /sys/class/net/eth0/address) random=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ') sum=$(md5sum < /dev/shm/memory | cut -c1-32) disk=$(cat /state/file)"
hostname > /state/file; sync
echo "disk=$(cat /state/file)"
while :; do sleep 0.2; done`;
const idle = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done';

describe('mechanism vmfork on QEMU', function () {
  this.timeout(180_000);
  let world: World;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
  });
  afterEach(async () => world?.clear());
  after(async () => world?.close());

  it('refuses a machine that has ended', async () => {
    await world.run('ended', 'exit 3');
    await world.dispatch.waitContainer('ended', AbortSignal.timeout(20_000));
    await rejection(world.checkpoint('ended'), 'WRONG_STATE');
  });

  it('is refused by an executor that has no machines', async () => {
    await world.dispatch.createContainer('', { name: 'process', task: { argv: ['sleep', '60'] } });
    await world.dispatch.startContainer('', 'process');
    await rejection(world.checkpoint('process'), 'CAPABILITY_MISSING');
  });

  it('answers the asker the id, and 0 in eight copies, alike in memory and different in all that says who they are', async () => {
    await world.run('parent', forks);
    const parent = await world.said('parent', /^fork /);
    const { items } = await world.dispatch.listCheckpoints({ container: 'parent' }, { size: 10 });
    assert.equal(items.length, 1);
    const crid = items[0]?.crid ?? '';
    assert.match(parent, new RegExp(`^fork code=0 answer=${crid} host=parent `));
    assert.equal(await world.state('parent'), 'running');
    await world.said('parent', /^disk=parent$/);

    const names = await world.fork({ checkpoint: crid }, 8, 'copy');
    assert.equal(names.length, 8);
    const said = await Promise.all(names.map(name => world.said(name, /^fork /)));
    for (const [i, line] of said.entries()) {
      assert.match(line, /^fork code=10 answer=restored /);
      assert.match(line, new RegExp(` host=${names[i]} `));
      assert.match(line, / disk=of-the-parent$/, 'the disk of the same moment');
    }
    const of = (key: string) =>
      [parent, ...said].map(line => new RegExp(` ${key}=(\\S+)`).exec(line)?.[1] ?? '');
    for (const key of ['host', 'id', 'mac', 'random']) {
      const values = of(key);
      assert.ok(
        values.every(value => value !== ''),
        `${key} is there`,
      );
      assert.equal(new Set(values).size, 9, `every ${key} is another`);
    }
    assert.equal(new Set(of('sum')).size, 1, 'the memory is the same');
    for (const name of names)
      assert.equal(await world.said(name, /^disk=/), `disk=${name}`, 'a disk of its own');
  });

  it('forks a running machine from outside, its copies go on where it was, and it runs on', async () => {
    await world.run('counts', idle);
    await world.said('counts', /^5$/);
    const [one, two] = await world.fork({ container: 'counts' }, 2, 'twin');
    const first = Number(await world.said(one ?? '', /^\d+$/));
    assert.ok(first > 5, `${first}: it did not begin again`);
    await world.said(two ?? '', /^\d+$/);
    await world.said('counts', new RegExp(`^${first + 5}$`));
  });

  it('checkpoints a copy, and a copy of that', async () => {
    await world.run('first', idle);
    await world.said('first', /^3$/);
    await world.fork({ container: 'first' }, 1, 'second');
    await world.fork({ container: 'second-1' }, 1, 'third');
    await world.said('third-1', /^\d+$/);
    assert.equal(await world.state('second-1'), 'running');
  });

  it('leaves a paused machine paused, and its copies run', async () => {
    await world.run('paused', idle);
    await world.said('paused', /^3$/);
    await world.dispatch.bindContainer('', 'paused', { cpus: 0 });
    const before = (await world.output('paused')).length;
    const { crid } = await world.checkpoint('paused');
    await world.restore(crid, 'awake');
    await world.said('awake', /^\d+$/);
    assert.ok((await world.output('paused')).length <= before + 1, 'it stood still');
  });

  it('keeps a committed checkpoint over a restart of the service and the end of its machine', async () => {
    await world.run('gone', idle);
    await world.said('gone', /^3$/);
    const { crid } = await world.checkpoint('gone', { committed: true, stopAfter: true });
    assert.equal(await world.state('gone'), 'exited');
    await world.restart();
    await world.dispatch.removeContainer('', 'gone', true);
    await world.restore(crid, 'back');
    assert.ok(Number(await world.said('back', /^\d+$/)) >= 3);
  });

  it('refuses an image that is not whole, before anything is started', async () => {
    await world.run('torn', idle);
    await world.said('torn', /^2$/);
    const { crid } = await world.checkpoint('torn', { committed: true });
    const ram = join(world.stateDirectory, 'checkpoints', crid, 'ram');
    await rename(ram, `${ram}.away`);
    await rejection(world.restore(crid, 'never'), 'CHECKPOINT_CORRUPT');
    await rename(`${ram}.away`, ram);
    await world.restore(crid, 'whole');
    await world.said('whole', /^\d+$/);
  });

  it('takes a machine and its copy up again after the service was restarted', async () => {
    await world.run('stays', idle);
    await world.said('stays', /^3$/);
    await world.fork({ container: 'stays' }, 1, 'also');
    await world.restart();
    assert.equal(await world.state('stays'), 'running');
    assert.equal(await world.state('also-1'), 'running');
    await world.fork({ container: 'stays' }, 1, 'later');
    await world.said('later-1', /^\d+$/);
    await world.dispatch.stopContainer('', 'also-1', 5_000);
    assert.equal(await world.state('also-1'), 'exited');
  });
});
