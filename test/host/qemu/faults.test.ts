import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rejection } from '../../conformance/rejection.js';
import { bootParent, counted, PARENT, type Parent } from './parent.js';
import { kernelDirectory, whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

/** What the host has taken from a guest's ports when it counts as flooded. */
const FLOOD_BYTES = 2 ** 20;

describe('faults of machines', function () {
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
    parent = await bootParent(world, { network: 'none' });
  });
  afterEach(async () => world?.clear([PARENT, parent?.crid]));
  after(async () => world?.close());
  const exit = (name: string) => world.dispatch.waitContainer(name, AbortSignal.timeout(120_000));
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (caught: unknown) => caught,
    );
  const copy = async (name: string): Promise<string> => {
    const [made = ''] = await world.fork({ checkpoint: parent.crid }, 1, name);
    return made;
  };
  const goesOn = async (name: string): Promise<void> => {
    await world.said(name, /^\d+$/);
    const at = await counted(world, name);
    await world.said(name, new RegExp(`^${at + 3}$`));
  };
  /** The splitter of the dump under way; waits for it. */
  const splitter = async (): Promise<number> => {
    for (const until = Date.now() + 60_000; Date.now() < until; await sleep(2)) {
      const [pid] = await world.processes(/\/ram$/, 'portlayer-init');
      if (pid !== undefined) return pid;
    }
    throw new Error('there is no splitter');
  };

  it('reports a copy whose QEMU was killed, and lets its parent be', async () => {
    const victim = await copy('victim');
    process.kill(await world.qemu(victim), 'SIGKILL');
    const ended = await exit(victim);
    assert.equal(ended.code, 137);
    assert.match(ended.failure ?? '', /QEMU was ended by signal 9/);
    assert.equal(await world.state(PARENT), 'running');
    await goesOn(PARENT);
  });

  it('reports a copy whose QEMU is killed while it is made, and makes the next', async () => {
    let said: unknown;
    // A kill may come after the copy was made, and then shows nothing: another one.
    for (let tries = 0; tries < 20 && said === undefined; tries++) {
      const known = new Set(await world.processes(/qmp/, 'qemu-system-x86_64'));
      let over = false;
      const made = failure(world.fork({ checkpoint: parent.crid }, 1, `young${tries}`)).finally(() => {
        over = true;
      });
      for (let killed = false; !killed && !over; ) {
        for (const pid of await world.processes(/qmp/, 'qemu-system-x86_64')) {
          if (known.has(pid)) continue;
          process.kill(pid, 'SIGKILL');
          killed = true;
        }
      }
      said = await made;
    }
    assert.ok(said instanceof Error, 'the call says so');
    await goesOn(await copy('next'));
  });

  it('lists nothing of a dump whose QEMU was killed, and boots the machine again, its disk whole', async () => {
    const heavy = await copy('heavy');
    await world.said(heavy, /^ready$/);
    const pid = await world.qemu(heavy);
    const taken = failure(world.checkpoint(heavy));
    await splitter();
    process.kill(pid, 'SIGKILL');
    assert.ok((await taken) instanceof Error, 'it failed');
    assert.notEqual((await exit(heavy)).code, 0);
    const { items } = await world.dispatch.listCheckpoints({ container: heavy }, { size: 10 });
    assert.deepEqual(items, []);
    await world.dispatch.startContainer('', heavy);
    await world.said(heavy, /^kept 1$/);
  });

  it('runs on after the splitter of its live dump was killed, and can be checkpointed again', async () => {
    const taken = failure(world.checkpoint(PARENT));
    process.kill(await splitter(), 'SIGKILL');
    assert.ok((await taken) instanceof Error, 'it failed');
    assert.equal(await world.state(PARENT), 'running');
    await goesOn(PARENT);
    const { crid } = await world.checkpoint(PARENT);
    await world.restore(crid, 'after');
    await goesOn('after');
  });

  it('runs on after a dump that its caller gave up', async () => {
    const given = new AbortController();
    const request = { container: PARENT, labels: {}, durability: 'captured', stopAfter: false } as const;
    const taken = failure(world.dispatch.createCheckpoint('', request, () => {}, given.signal));
    await splitter();
    given.abort(new Error('the caller has gone'));
    assert.ok((await taken) instanceof Error, 'it failed');
    await goesOn(PARENT);
    await world.checkpoint(PARENT);
  });

  it('reports a QEMU that does not answer, within the time limit, and checkpoints it once it does', async () => {
    const silent = await copy('silent');
    const health = async () =>
      (await world.dispatch.levels(true)).find(({ name }) => name === 'qemu')?.fingerprint;
    assert.equal((await health())?.health, 'healthy');
    const pid = await world.qemu(silent);
    process.kill(pid, 'SIGSTOP');
    try {
      await rejection(world.checkpoint(silent), 'EXECUTOR_UNAVAILABLE');
      const found = await health();
      assert.equal(found?.health, 'degraded');
      const { uid } = await world.dispatch.getContainer(silent);
      assert.equal(found?.findings.find(({ key }) => key === 'silent')?.value, uid);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await world.checkpoint(silent);
    assert.equal((await health())?.health, 'healthy');
  });

  it('refuses a dump that may not fit, before it begins', async function () {
    const staging = join(world.stateDirectory, 'staging');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=0700', 'tmpfs', staging], {
        stdio: 'ignore',
      });
    } catch {
      console.log('      skipped: no tmpfs can be mounted here');
      return this.skip();
    }
    try {
      await rejection(world.checkpoint(PARENT), 'STORE_FULL');
    } finally {
      execFileSync('umount', ['-l', staging]);
    }
    await goesOn(PARENT);
  });

  it('runs on where the store becomes full during the dump', async function () {
    const staging = join(world.stateDirectory, 'staging');
    const options = ['-t', 'tmpfs', '-o', 'size=400m,mode=0700', 'tmpfs', staging];
    try {
      execFileSync('mount', options, { stdio: 'ignore' });
    } catch {
      console.log('      skipped: no tmpfs can be mounted here');
      return this.skip();
    }
    try {
      const taken = failure(world.checkpoint(PARENT));
      await splitter();
      await writeFile(join(staging, 'fills'), Buffer.alloc(399 * 2 ** 20)).catch(() => {});
      const error = await taken;
      // The splitter may have been done before there was no room any more.
      if (error !== undefined) assert.equal((error as { code?: string }).code, 'STORE_FULL');
    } finally {
      execFileSync('umount', ['-l', staging]);
    }
    await goesOn(PARENT);
  });

  it('bears a guest that floods its output', async () => {
    const floods = await copy('floods');
    await world.said(floods, /^0123456789/);
    const { crid } = await world.checkpoint(floods);
    await world.restore(crid, 'floods-too');
    await world.dispatch.stopContainer('', floods, 2_000);
    assert.equal(await world.state(floods), 'exited');
  });

  it('bears a guest that floods its control port, with lines and with rubbish, and reads none of the answers', async () => {
    // Whoever has the guest's kernel has the port: its driver is taken away from the init and bound anew.
    const flood = `
      cd /sys/bus/virtio/drivers/virtio_console; device=$(ls | grep virtio); echo $device > unbind; echo $device > bind
      until port=$(grep -l org.portlayer.control /sys/class/virtio-ports/*/name); do sleep 0.1; done
      name=$(basename $(dirname $port))
      until test -c /dev/$name; do sleep 0.1; done
      exec > /dev/$name
      while :; do
        yes 'L TRIGGER v=1 inc=0123456789abcdef seq=1 from=1 mechanism=vmfork' | head -n 3000
        yes 'A frozen' | head -n 1000; yes C | head -n 1000; yes | tr -d '\\n' | head -c 300000
        head -c 300000 /dev/urandom
      done`;
    await world.run('flooder', `echo up; ${flood}`, { network: 'none' });
    await world.said('flooder', /^up$/);
    const { uid } = await world.dispatch.getContainer('flooder');
    const [bridge] = await world.processes(new RegExp(`/${uid}/relay/relay.sock$`), 'portlayer-init');
    const taken = async () =>
      Number(/^rchar: (\d+)$/m.exec(await readFile(`/proc/${bridge}/io`, 'utf8'))?.[1] ?? 0);
    for (const until = Date.now() + 120_000; (await taken()) < FLOOD_BYTES; await sleep(100))
      assert.ok(Date.now() < until, `${await taken()} bytes`);
    await goesOn(PARENT);
    await world.restore(parent.crid, 'beside');
    await goesOn('beside');
    // It harms itself only, and can be ended as any other. A checkpoint of it succeeds or is refused, within its limits.
    await failure(world.checkpoint('flooder'));
    await world.dispatch.stopContainer('', 'flooder', 1_000);
    assert.equal(await world.state('flooder'), 'exited');
    await goesOn(PARENT);
  });

  it('says why a disk does not boot, with the last words of the console', async () => {
    const poor = await openWorld({ bootTries: 1 });
    try {
      await poor.run('first', 'true');
      const bases = join(poor.stateDirectory, 'qemu/bases');
      for (const name of await readdir(bases)) await writeFile(join(bases, name), Buffer.alloc(4 * 2 ** 20));
      const error = await rejection(poor.run('dead', 'true'), 'EXECUTOR_UNAVAILABLE');
      assert.match(error.message, /does not boot/);
      assert.match(`${error.found}`, /the disk is no ext4 file system/);
      assert.match(error.message, /EXT4-fs|portlayer-init: The machine ended/, 'what the console said last');
      assert.equal(await poor.state('dead'), 'exited');
    } finally {
      await poor.close();
    }
  });

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
});
