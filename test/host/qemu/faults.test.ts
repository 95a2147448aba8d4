import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rejection } from '../../conformance/rejection.js';
import { kernelDirectory, whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const idle = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done';
/** Enough memory in use that a dump takes some hundred milliseconds. */
const heavy = 'head -c 120000000 /dev/urandom > /dev/shm/m; echo ready; while :; do sleep 0.2; done';

describe('faults of machines', function () {
  this.timeout(180_000);
  let world: World;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld({ quiesceMs: 1500 });
  });
  afterEach(async () => world?.clear());
  after(async () => world?.close());
  const exit = (name: string) => world.dispatch.waitContainer(name, AbortSignal.timeout(20_000));

  it('says why a kernel does not boot, with the last words of the console', async () => {
    const directory = await mkdtemp('/var/tmp/plq-kernel-');
    await writeFile(`${directory}/vmlinuz-none`, Buffer.alloc(65536));
    const kernels = join(kernelDirectory, 'lib/modules');
    const [release = ''] = await readdir(kernels);
    const broken = await openWorld({
      bootMs: 4000,
      bootTries: 1,
      kernel: { image: `${directory}/vmlinuz-none`, modules: join(kernels, release) },
    });
    try {
      const error = await rejection(broken.run('dead', 'true'), 'EXECUTOR_UNAVAILABLE');
      assert.match(error.message, /does not boot/);
      assert.equal(await broken.state('dead'), 'exited');
      assert.deepEqual(await broken.processes(/machine|qemu/), []);
    } finally {
      await broken.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('reports a machine whose QEMU was killed, and lets its parent be', async () => {
    await world.run('parent', idle);
    await world.said('parent', /^3$/);
    await world.fork({ container: 'parent' }, 1, 'victim');
    process.kill(await world.qemu('victim-1'), 'SIGKILL');
    const ended = await exit('victim-1');
    assert.equal(ended.code, 137);
    assert.match(ended.failure ?? '', /QEMU was ended by signal 9/);
    assert.equal(await world.state('parent'), 'running');
    await world.fork({ container: 'parent' }, 1, 'next');
  });

  it('lists nothing of a dump whose QEMU was killed', async () => {
    await world.run('heavy', heavy);
    await world.said('heavy', /ready/);
    const pid = await world.qemu('heavy');
    const taken = world.checkpoint('heavy').then(
      () => undefined,
      (caught: unknown) => caught,
    );
    await sleep(200);
    process.kill(pid, 'SIGKILL');
    assert.ok(await taken, 'it failed');
    assert.notEqual((await exit('heavy')).code, 0);
    assert.deepEqual((await world.dispatch.listCheckpoints({}, { size: 10 })).items, []);
  });

  it('boots a machine again, its disk whole, whose QEMU was killed in a dump', async () => {
    await world.run(
      'again',
      `test -e /state/n && echo kept $(cat /state/n); echo 1 > /state/n; sync; ${heavy}`,
    );
    await world.said('again', /ready/);
    const pid = await world.qemu('again');
    const taken = world.checkpoint('again').catch(() => undefined);
    await sleep(250);
    process.kill(pid, 'SIGKILL');
    await taken;
    await exit('again');
    await world.dispatch.startContainer('', 'again');
    await world.said('again', /^kept 1$/);
  });

  it('runs on after the splitter was killed, and can be checkpointed again', async () => {
    await world.run('split', `touch /state/mine; sync; ${heavy}`);
    await world.said('split', /ready/);
    const taken = world.checkpoint('split').then(
      () => undefined,
      (caught: unknown) => caught,
    );
    world.log.length = 0;
    let splitters: number[] = [];
    for (let i = 0; i < 200 && splitters.length === 0; i++) {
      await sleep(10);
      splitters = await world.processes(/ram$/, 'portlayer-init');
    }
    for (const pid of splitters) process.kill(pid, 'SIGKILL');
    assert.ok(await taken, 'it failed');
    assert.equal(await world.state('split'), 'running');
    assert.deepEqual(
      world.log.filter(line => /undo|thaw/.test(line)),
      [],
    );
    const { crid } = await world.checkpoint('split');
    await world.restore(crid, 'copy');
    await world.run('other', 'ls /state; echo looked');
    await world.said('other', /^looked$/);
    assert.deepEqual(
      await world.output('other'),
      ['looked'],
      'nothing of it went into the base that all machines stand on',
    );
  });

  it('reports a QEMU that does not answer, within the time limit, and checkpoints it once it does', async () => {
    await world.run('stopped', idle);
    await world.said('stopped', /^3$/);
    const pid = await world.qemu('stopped');
    process.kill(pid, 'SIGSTOP');
    const began = Date.now();
    const taken = world.checkpoint('stopped').then(
      () => undefined,
      (caught: unknown) => caught,
    );
    const late = await Promise.race([taken, sleep(40_000, 'late' as const)]);
    process.kill(pid, 'SIGCONT');
    assert.notEqual(late, 'late');
    assert.ok(late instanceof Error, `it failed, after ${Date.now() - began} ms`);
    await world.checkpoint('stopped');
  });

  it('refuses a dump that may not fit, before it begins', async function () {
    const directory = await mkdtemp('/var/tmp/plq-small-');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=0700', 'tmpfs', directory], {
        stdio: 'ignore',
      });
    } catch {
      await rm(directory, { recursive: true });
      console.log('      skipped: no tmpfs can be mounted here');
      return this.skip();
    }
    const small = await openWorld({}, `${directory}/s`);
    try {
      await small.run('big', idle);
      await small.said('big', /^2$/);
      await rejection(small.checkpoint('big'), 'STORE_FULL');
      assert.equal(await small.state('big'), 'running');
    } finally {
      await small.close();
      execFileSync('umount', ['-l', directory]);
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('bears a guest that floods its output', async () => {
    await world.run('floods', 'yes 0123456789012345678901234567890123456789');
    await sleep(1500);
    const { crid } = await world.checkpoint('floods');
    await world.restore(crid, 'floods-too');
    await world.dispatch.stopContainer('', 'floods', 2_000);
    assert.equal(await world.state('floods'), 'exited');
  });
});
