import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rejection } from '../../conformance/rejection.js';
import { bootParent, counted, PARENT, type Parent } from './parent.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

describe('mechanism vmfork on QEMU', function () {
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
    parent = await bootParent(world);
  });
  afterEach(async () => world?.clear([PARENT, parent?.crid]));
  after(async () => world?.close());
  /** How a machine was dumped, as the image says where it was captured. */
  const howOf = (crid: string) => {
    const facts = readFileSync(join(world.stateDirectory, 'staging', crid, 'portlayer.json'), 'utf8');
    return (JSON.parse(facts) as { how: string }).how;
  };

  it('is refused by an executor that has no machines', async () => {
    await world.dispatch.createContainer('', { name: 'process', task: { argv: ['sleep', '60'] } });
    await world.dispatch.startContainer('', 'process');
    await rejection(world.checkpoint('process'), 'CAPABILITY_MISSING');
  });

  it('refuses a machine that has ended', async () => {
    await world.fork({ checkpoint: parent.crid }, 1, 'ended');
    await world.dispatch.stopContainer('', 'ended-1', 0);
    await rejection(world.checkpoint('ended-1'), 'WRONG_STATE');
  });

  it('answers the asker the id, and 0 in eight copies, alike in memory and different in all that says who they are', async () => {
    assert.match(parent.words, new RegExp(`^fork code=0 answer=${parent.crid} host=${PARENT} `));
    assert.equal(await world.state(PARENT), 'running');
    await world.said(PARENT, new RegExp(`^disk=${PARENT}$`));

    const names = await world.fork({ checkpoint: parent.crid }, 8, 'copy');
    assert.equal(names.length, 8);
    const said = await Promise.all(names.map(name => world.said(name, /^fork /)));
    for (const [i, line] of said.entries()) {
      assert.match(line, /^fork code=10 answer=restored /);
      assert.match(line, new RegExp(` host=${names[i]} `));
      assert.match(line, / disk=of-the-parent$/, 'the disk of the same moment');
    }
    const of = (key: string) =>
      [parent.words, ...said].map(line => new RegExp(` ${key}=(\\S+)`).exec(line)?.[1] ?? '');
    for (const key of ['host', 'id', 'mac', 'random']) {
      const values = of(key);
      assert.ok(
        values.every(value => value !== ''),
        `${key} is there`,
      );
      assert.equal(new Set(values).size, 9, `every ${key} is another`);
    }
    assert.equal(new Set(of('sum')).size, 1, 'the memory is the same');
    const outside = await Promise.all([PARENT, ...names].map(name => world.card(name)));
    assert.deepEqual(outside, of('mac'), 'QEMU says the same of their cards');
    for (const name of names)
      assert.equal(await world.said(name, /^disk=/), `disk=${name}`, 'a disk of its own');
  });

  it('forks a running machine from outside while it runs, and its copies go on where it was', async () => {
    const before = await counted(world, PARENT);
    const [one, two] = await world.fork({ container: PARENT }, 2, 'twin');
    const first = Number(await world.said(one ?? '', /^\d+$/));
    assert.ok(first > before, `${first} after ${before}: it did not begin again`);
    await world.said(two ?? '', /^\d+$/);
    await world.said(PARENT, new RegExp(`^${first + 5}$`));
    const { items } = await world.dispatch.listCheckpoints({ container: PARENT }, { size: 1 });
    assert.equal(howOf(items[0]?.crid ?? ''), 'live');
  });

  it('never has a machine run on whose memory is the file that its copies map', async () => {
    const [copy] = await world.fork({ checkpoint: parent.crid }, 1, 'maps');
    const mapped = async (name: string) =>
      readFileSync(`/proc/${await world.qemu(name)}/maps`, 'utf8')
        .split('\n')
        .filter(line => / \/.*(\/ram|\/vm\/memory)$/.test(line));
    assert.deepEqual(await mapped(PARENT), []);
    const maps = await mapped(copy ?? '');
    assert.ok(maps.length > 0);
    for (const line of maps) assert.match(line, /^\S+ rw-p /, 'a private mapping');
  });

  it('dumps a copy, and a copy of that, while they run', async () => {
    const [second] = await world.fork({ checkpoint: parent.crid }, 1, 'second');
    await world.said('second-1', /^3$/);
    const { crid } = await world.checkpoint(second ?? '');
    assert.equal(howOf(crid), 'passes');
    await world.restore(crid, 'third');
    await world.said('third', /^\d+$/);
    const before = await counted(world, 'third');
    const next = await world.checkpoint('third');
    assert.equal(howOf(next.crid), 'passes');
    await world.restore(next.crid, 'fourth');
    assert.ok(Number(await world.said('fourth', /^\d+$/)) >= before);
    for (const name of ['second-1', 'third'])
      await world.said(name, new RegExp(`^${(await counted(world, name)) + 3}$`));
  });

  it('leaves a paused machine paused, and its copies run', async () => {
    await world.fork({ checkpoint: parent.crid }, 1, 'paused');
    await world.said('paused-1', /^3$/);
    await world.dispatch.bindContainer('', 'paused-1', { cpus: 0 });
    const lines = async () => (await world.output('paused-1')).length;
    // What it wrote before is on its way for a while.
    for (let last = -1; last !== (await lines()); await sleep(1000)) last = await lines();
    const before = await lines();
    const { crid } = await world.checkpoint('paused-1');
    assert.equal(howOf(crid), 'stopped');
    await world.restore(crid, 'awake');
    await world.said('awake', /^\d+$/);
    assert.ok((await lines()) <= before + 1, 'it stood still');
  });

  it('keeps a committed checkpoint over a restart of the service and the end of its machine', async () => {
    await world.fork({ checkpoint: parent.crid }, 1, 'gone');
    await world.said('gone-1', /^3$/);
    const { crid } = await world.checkpoint('gone-1', { committed: true, stopAfter: true });
    assert.equal(await world.state('gone-1'), 'exited');
    await world.restart();
    await world.dispatch.removeContainer('', 'gone-1', true);
    await world.dispatch.publishCheckpoint('', crid, 'machine:warm', false);
    await world.restore('machine:warm', 'back');
    assert.ok(Number(await world.said('back', /^\d+$/)) >= 3);
  });

  it('takes a machine and its copy up again after the service was restarted', async () => {
    await world.fork({ checkpoint: parent.crid }, 1, 'also');
    await world.restart();
    assert.equal(await world.state(PARENT), 'running');
    assert.equal(await world.state('also-1'), 'running');
    await world.fork({ container: PARENT }, 1, 'later');
    await world.said('later-1', /^\d+$/);
    await world.dispatch.stopContainer('', 'also-1', 1_000);
    assert.equal(await world.state('also-1'), 'exited');
  });

  it('gives each machine a user of its own, who cannot read what is another machine’s', async function () {
    const finding = (await world.dispatch.levels(false))
      .find(level => level.name === 'qemu')
      ?.fingerprint?.findings.find(({ key }) => key === 'user');
    if (!finding?.value.includes('-')) {
      console.log('      skipped: machines run as one user here');
      return this.skip();
    }
    const names = await world.fork({ checkpoint: parent.crid }, 2, 'user');
    const pids = await Promise.all([PARENT, ...names].map(name => world.qemu(name)));
    const users = pids.map(pid => statSync(`/proc/${pid}`).uid);
    assert.equal(new Set(users).size, 3, `users ${users}`);
    assert.ok(users.every(uid => uid > 0));
    // What QEMU sees of the directories of all machines is its own.
    const seen = readdirSync(`/proc/${pids[1]}/root${world.stateDirectory}/qemu/c`);
    assert.equal(seen.length, 1);
  });

  it('records what a restore needs, and refuses another QEMU before anything is started', async () => {
    const { items } = await world.dispatch.listCheckpoints({ container: PARENT }, { size: 10 });
    const { constraints = [] } = items.find(({ crid }) => crid === parent.crid) ?? {};
    const required = new Map(constraints.map(({ key, required: value }) => [key, value]));
    for (const key of ['qemu', 'accelerator', 'machines', 'cpu-models', 'cpu-features', 'devices', 'disks'])
      assert.ok(required.get(key), `${key} is recorded`);
    assert.match(required.get('cpu-features') ?? '', /\bsse2\b/);
    await world.restart({ program: join(import.meta.dirname, 'another-qemu.sh') });
    try {
      const before = await world.processes(/qmp/);
      const error = await rejection(world.restore(parent.crid, 'other'), 'CONSTRAINT_UNMET');
      assert.match(`${error.required} ${error.found}`, /qemu equal .* 7\.99/);
      assert.deepEqual(await world.processes(/qmp/), before);
    } finally {
      await world.restart();
    }
  });

  it('refuses an image that is not whole, before anything is started', async () => {
    const { crid } = await world.checkpoint(PARENT);
    const ram = join(world.stateDirectory, 'staging', crid, 'ram');
    await rename(ram, `${ram}.away`);
    try {
      await rejection(world.restore(crid, 'never'), 'CHECKPOINT_CORRUPT');
    } finally {
      await rename(`${ram}.away`, ram);
    }
    await world.restore(crid, 'whole');
    await world.said('whole', /^\d+$/);
  });

  it('keeps a committed checkpoint over a reboot of the host, which ends every machine', async () => {
    await world.fork({ checkpoint: parent.crid }, 1, 'before');
    await world.said('before-1', /^3$/);
    const { crid } = await world.checkpoint('before-1', { committed: true });
    const boots = async () => (await world.output(PARENT)).filter(line => line === '1').length;
    const once = await boots();
    await world.rebootHost();
    for (const name of [PARENT, 'before-1']) assert.equal(await world.state(name), 'exited');
    await world.restore(crid, 'after');
    const at = Number(await world.said('after', /^\d+$/));
    assert.ok(at >= 3, `it goes on at ${at}`);
    // The machine itself boots anew.
    await world.dispatch.startContainer('', PARENT);
    for (const until = Date.now() + 120_000; (await boots()) === once; await sleep(100))
      assert.ok(Date.now() < until, 'it counts again');
  });
});
