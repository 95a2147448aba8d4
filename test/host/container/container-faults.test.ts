import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { leftBehindHere } from '../../../portlayer/main.js';
import {
  argumentsOf,
  childrenOf,
  descendantsNamed,
  leftovers,
  processesWith,
  taskStates,
} from './leftovers.js';
import { makeRootfs, whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const counter = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done'];

describe('runc, CRIU or the service killed half-way', function () {
  this.timeout(120_000);
  let world: World;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld({ restoreMs: 2_000 });
  });
  afterEach(() => world?.clear());
  after(() => world?.close());

  /** Kills a helper of the named kind once it has been there for `afterMs`. True where there was one. */
  async function killHelper(
    verb: 'checkpoint' | 'restore',
    kind: 'runc' | 'criu',
    afterMs: number,
  ): Promise<boolean> {
    for (const until = Date.now() + 5_000; Date.now() < until; await sleep(1)) {
      const ours = processesWith(world.stateDirectory);
      const runc = processesWith(`\0${verb}\0`).find(pid => ours.includes(pid) && isRunc(pid));
      if (runc === undefined) continue;
      const found = kind === 'runc' ? [runc] : descendantsNamed(runc, /criu/);
      if (found.length === 0) continue;
      await sleep(afterMs);
      for (const pid of found) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          return false; // It had ended.
        }
      }
      return true;
    }
    return false;
  }

  /** What a killed CRIU held of the tasks it lets go a moment later: until then the next dump is refused. */
  async function checkpointSoon(
    ...args: Parameters<typeof world.checkpoint>
  ): ReturnType<typeof world.checkpoint> {
    for (let tries = 0; ; tries++) {
      try {
        return await world.checkpoint(...args);
      } catch (caught) {
        if (tries === 5) throw caught;
        await sleep(300);
      }
    }
  }

  const MOST_ROUNDS = 30;

  const isRunc = (pid: number): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).endsWith('/runc');
    } catch {
      return false;
    }
  };

  async function goesOn(name: string): Promise<void> {
    const before = (await world.output(name)).length;
    for (const until = Date.now() + 30_000; Date.now() < until; await sleep(50))
      if ((await world.output(name)).length > before) return;
    expect.fail(`${name} does not go on: ${taskStates(world.stateDirectory)}`);
  }

  const settled = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      (caught: unknown) =>
        caught instanceof PortLayerError && caught.code !== 'INTERNAL'
          ? caught.code
          : String(caught instanceof Error ? caught.stack : caught),
    );

  /**
   * CRIU's moments in a dump at which a kill costs the container nothing, by its log: before it has touched a task, and
   * while its code in a task hands over memory. Between the two, for less than a millisecond for each task, the task's
   * registers are CRIU's, and the kernel gives nobody the means to put them back: see design/mechanisms/criu.md.
   */
  const moments = {
    'before it holds a task': (log: string) => !log.includes('Parasite syscall_ip'),
    'while it holds the packets back': (log: string) =>
      log.includes('Running network-lock scripts') && !log.includes('Parasite syscall_ip'),
    'while it takes the memory': (log: string) =>
      log.slice(log.lastIndexOf('Sent msg to daemon')).startsWith('Sent msg to daemon 66 '),
  };

  /** Kills the CRIU of a dump at a moment: it is stopped, its log is read, and it goes on where it was another. True where it was killed. */
  async function killDump(moment: keyof typeof moments, outcome: Promise<unknown>): Promise<boolean> {
    let over = false;
    void outcome.then(() => {
      over = true;
    });
    for (; !over; await sleep(1)) {
      const runc = childrenOf(process.pid)
        .flatMap(childrenOf)
        .find(pid => argumentsOf(pid).includes('checkpoint'));
      const criu = runc === undefined ? [] : childrenOf(runc);
      if (runc === undefined || criu.length === 0 || !signalAll(criu, 'SIGSTOP')) continue;
      const file = `${argumentsOf(runc).find(part => part.endsWith('/work'))}/dump.log`;
      const log = existsSync(file) ? readFileSync(file, 'latin1') : '';
      if (moments[moment](log)) return signalAll(criu, 'SIGKILL');
      signalAll(criu, 'SIGCONT');
    }
    return false;
  }

  function signalAll(pids: readonly number[], signal: NodeJS.Signals): boolean {
    try {
      for (const pid of pids) process.kill(pid, signal);
      return true;
    } catch {
      return false; // It had ended.
    }
  }

  /** Rounds of a dump whose CRIU is killed at each moment, until each was hit. */
  async function killDumps(
    when: readonly (keyof typeof moments)[],
    expectAfter: () => Promise<void>,
  ): Promise<void> {
    for (const moment of when) {
      let hit = false;
      for (let round = 0; round < MOST_ROUNDS && !hit; round++) {
        const outcome = settled(world.checkpoint('one'));
        const killed = await killDump(moment, outcome);
        const said = await outcome;
        hit = killed && said !== 'done';
        if (said !== 'done') expect(said, moment).to.be.oneOf(['EXECUTOR_UNAVAILABLE', 'WRONG_STATE']);
        await expectAfter();
      }
      expect(hit, moment).to.equal(true);
    }
  }

  const anyTime = ['before it holds a task', 'while it takes the memory'] as const;
  const large = [
    'python3',
    '-c',
    'import os, time\nkept = os.urandom(120 << 20)\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.02)',
  ];

  it('CRIU killed in a dump: the original goes on, nothing is listed, the next checkpoint is taken', async () => {
    const { uid } = await world.run('one', large);
    await world.said('one', /^3$/);
    await killDumps(anyTime, () => goesOn('one'));
    const before = await world.dispatch.listCheckpoints({}, { size: 100 });
    await checkpointSoon('one');
    const { items } = await world.dispatch.listCheckpoints({}, { size: 100 });
    expect(items).to.have.length(before.items.length + 1);
    const layers = readdirSync(join(world.stateDirectory, 'container/layers'));
    expect(layers).to.have.length(items.length);
    await world.clear();
    expect(leftovers(world.stateDirectory, uid)).to.deep.equal([]);
  });

  it('runc killed in a dump, at any moment: the original goes on, nothing is listed, the next checkpoint is taken', async () => {
    const { uid } = await world.run('one', counter);
    await world.said('one', /^3$/);
    let [failed, rounds] = [0, 0];
    // On a busy machine many come too late: until three were hit.
    for (; rounds < MOST_ROUNDS && failed < 3; rounds++) {
      const outcome = settled(world.checkpoint('one'));
      await killHelper('checkpoint', 'runc', [0, 10, 20, 30, 45][rounds % 5]!);
      const said = await outcome;
      if (said !== 'done') {
        failed += 1;
        expect(said).to.equal('EXECUTOR_UNAVAILABLE');
      }
      await goesOn('one');
    }
    expect(failed, 'some were hit').to.be.greaterThan(0);
    const { items } = await world.dispatch.listCheckpoints({}, { size: 100 });
    expect(items).to.have.length(rounds - failed);
    await checkpointSoon('one');
    const layers = readdirSync(join(world.stateDirectory, 'container/layers'));
    expect(layers).to.have.length(items.length + 1);
    await world.clear();
    expect(leftovers(world.stateDirectory, uid)).to.deep.equal([]);
  });

  it('a paused container stays paused when CRIU is killed in its dump', async () => {
    await world.run('one', large);
    await world.said('one', /^3$/);
    await world.dispatch.bindContainer('', 'one', { cpus: 0 });
    await killDumps(anyTime, async () => {
      await sleep(100);
      const before = (await world.output('one')).length;
      await sleep(200);
      expect((await world.output('one')).length).to.equal(before);
    });
    await world.dispatch.bindContainer('', 'one', {});
    await goesOn('one');
  });

  it('a container that keeps its connections can be reached after CRIU was killed in its dump', async () => {
    const pair =
      'import socket, time\ns = socket.create_server(("127.0.0.1", 9))\nc = socket.create_connection(("127.0.0.1", 9))\na, _ = s.accept()\ni = 0\nwhile True:\n c.sendall(b"x"); a.recv(1); i += 1; print(i, flush=True); time.sleep(0.02)';
    await world.run('one', ['python3', '-c', pair], { executorOptions: { tcpEstablished: true } });
    await world.said('one', /^3$/);
    await killDumps(['while it holds the packets back'], () => goesOn('one'));
  });

  for (const kind of ['criu', 'runc'] as const) {
    it(`${kind} killed in a restore: it ends with a reason, nothing is left, the next restore runs`, async () => {
      await world.run('one', counter);
      await world.said('one', /^3$/);
      const { crid } = await world.checkpoint('one');
      let failed = 0;
      for (let i = 0; i < MOST_ROUNDS && failed < 3; i++) {
        const afterMs = [0, 10, 20, 35, 50][i % 5]!;
        const outcome = settled(world.restore(crid, `copy${i}`));
        await killHelper('restore', kind, afterMs);
        const said = await outcome;
        const { uid } = await world.dispatch.getContainer(`copy${i}`);
        if (said === 'done') {
          await goesOn(`copy${i}`);
          await world.dispatch.removeContainer('', `copy${i}`, true);
        } else {
          failed += 1;
          expect(said).to.equal('EXECUTOR_UNAVAILABLE');
        }
        expect(leftovers(world.stateDirectory, uid), `${said} after ${afterMs} ms`).to.deep.equal([]);
      }
      expect(failed, 'some were hit').to.be.greaterThan(0);
      await goesOn('one');
      await world.restore(crid, 'whole');
      await goesOn('whole');
    });
  }

  it('the service killed at any point of a checkpoint or a restore: the next one finds all in order', async () => {
    const { uid } = await world.run('one', counter);
    await world.said('one', /^3$/);
    const { crid } = await checkpointSoon('one', { committed: true });
    await world.endService();
    const script = fileURLToPath(new URL('killed-service.ts', import.meta.url));
    for (const [i, afterMs] of [20, 60, 100, 140].entries()) {
      const service = spawn(
        process.execPath,
        ['--import', 'tsx', script, world.stateDirectory, crid, `copy${i}`],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      await new Promise(resolve => service.stdout.once('data', resolve));
      await sleep(afterMs);
      service.kill('SIGKILL');
      await new Promise(resolve => service.once('close', resolve));
      await world.beginService();
      await goesOn('one');
      const { items } = await world.dispatch.listContainers({}, { size: 100 });
      for (const container of items) {
        if (container.state === 'running') await goesOn(container.spec.name);
        else expect(leftovers(world.stateDirectory, container.uid), container.spec.name).to.deep.equal([]);
      }
      const checkpoints = await world.dispatch.listCheckpoints({}, { size: 100 });
      for (const checkpoint of checkpoints.items)
        expect(checkpoint.state).to.be.oneOf(['captured', 'committing', 'committed']);
      await world.endService();
    }
    await world.beginService();
    await world.clear();
    expect(leftovers(world.stateDirectory, uid)).to.deep.equal([]);
  });

  it('a store without room refuses the checkpoint, keeps nothing of it, and the original goes on', async () => {
    const small = mkdtempSync('/var/tmp/pl-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', small]);
    await makeRootfs(small);
    const full = await openWorld({}, small);
    try {
      const program =
        'import os, time\nkept = os.urandom(100 << 20)\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.05)';
      await full.run('large', ['python3', '-c', program]);
      await full.said('large', /^3$/);
      expect(await settled(full.checkpoint('large'))).to.equal('STORE_FULL');
      const before = (await full.output('large')).length;
      await sleep(300);
      expect((await full.output('large')).length).to.be.greaterThan(before);
      expect(readdirSync(join(small, 'staging'))).to.deep.equal([]);
      expect(readdirSync(join(small, 'container/layers'))).to.deep.equal([]);
    } finally {
      await full.clear();
      await full.endService();
      execFileSync('umount', ['-l', small]);
      rmSync(small, { recursive: true });
    }
  });

  it('what is left when a monitor is killed is named, and swept without a start of the service', async () => {
    const { uid } = await world.run('one', counter);
    await world.said('one', /^3$/);
    const directory = join(world.stateDirectory, 'container/containers', uid);
    const runc = join(world.stateDirectory, 'container/runc', uid);
    const options = { stateDirectory: world.stateDirectory, config: { container: {} }, log: () => {} };
    const kinds = async (sweep: boolean) =>
      (await leftBehindHere(options, sweep)).map(({ kind, id }) => `${kind} ${id.split(' ').at(-1)}`);
    await world.endService();
    expect(await kinds(true), 'a container that is watched over is left alone').to.deep.equal([]);
    process.kill(Number(readFileSync(join(directory, 'monitor.pid'), 'utf8')), 'SIGKILL');
    for (const until = Date.now() + 30_000; Date.now() < until && !(await kinds(false)).length; )
      await sleep(50);
    expect(await kinds(false)).to.include(`state ${runc}`);
    expect((await kinds(true)).some(line => line.startsWith('cgroup '))).to.equal(true);
    expect(await kinds(false)).to.deep.equal([]);
    expect(leftovers(world.stateDirectory, uid)).to.deep.equal([]);
    await world.beginService();
    expect((await world.dispatch.getContainer('one')).state).to.equal('exited');
  });

  it('what a killed service left frozen is thawed at the next start, and stays paused where it was paused', async () => {
    const running = await world.run('running', counter);
    const paused = await world.run('paused', counter);
    await world.said('paused', /^3$/);
    for (const name of ['running', 'paused']) await world.dispatch.bindContainer('', name, { cpus: 0 });
    const note = (uid: string, frozen: boolean) => {
      const directory = join(world.stateDirectory, 'container/containers', uid);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'dumping.json'), JSON.stringify({ frozen, work: `/nowhere/${uid}` }));
    };
    note(running.uid, false);
    note(paused.uid, true);
    await world.restart();
    await goesOn('running');
    const before = (await world.output('paused')).length;
    await sleep(200);
    expect((await world.output('paused')).length).to.equal(before);
  });
});
