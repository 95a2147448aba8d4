import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, deadline } from './bench.js';

const patient = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done';
const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';

/** Start, wait, signals, stop, destroy, recovery. */
export function lifeChecks(bench: () => Bench): void {
  describe('life', () => {
    for (const code of [0, 1, 85, 255]) {
      it(`reports exit code ${code}`, async () => {
        const { exit } = await bench().run(`exit ${code}`);
        assert.deepEqual([exit.code, exit.signal, exit.failure], [code, 0, undefined]);
        assert.ok(Math.abs(exit.atMs - Date.now()) < 60_000);
      });
    }

    it('reports a task that died of a signal, and does not take exit 137 for one', async () => {
      const killed = await bench().run('kill -KILL $$');
      assert.deepEqual([killed.exit.code, killed.exit.signal], [137, 9]);
      const said = await bench().run('exit 137');
      assert.deepEqual([said.exit.code, said.exit.signal], [137, 0]);
    });

    it('reports a command that is not there as an exit with its reason, not as an error of start', async () => {
      const { exit } = await bench().run('', { spec: { task: { argv: ['/no/such/command'] } } });
      assert.equal(exit.code, 127);
      assert.match(exit.failure ?? '', /no such file/i);
    });

    it('gives the task its arguments, environment and working directory as they are', async () => {
      const task = {
        argv: ['sh', '-c', 'pwd; printf "%s|" "$A" "$B" "$@"', 'sh', 'a b', '', '$(x)'],
        env: { A: 'é "q" \\', B: 'a\nb' },
        cwd: '/usr',
      };
      const { output } = await bench().run('', { spec: { task }, env: { B: 'core' } });
      assert.equal(output.trimEnd(), '/usr\né "q" \\|core|a b||$(x)|');
    });

    it('delivers a signal to the task', async () => {
      const uid = await bench().start(
        'trap "echo got; exit 9" USR1; echo ready; while :; do sleep 0.05; done',
      );
      await bench().said(uid, /ready/);
      await bench().executor.signal(uid, constants.signals.SIGUSR1);
      assert.equal((await bench().wait(uid)).code, 9);
    });

    it('stops with SIGTERM within the time of grace', async () => {
      const uid = await bench().start(patient);
      await bench().said(uid, /ready/);
      await bench().executor.stop(uid, 10_000);
      assert.equal((await bench().wait(uid)).code, 7);
    });

    it('kills what does not end in the time of grace, and no sooner', async () => {
      const uid = await bench().start(deaf);
      await bench().said(uid, /ready/);
      const before = Date.now();
      await bench().executor.stop(uid, 300);
      assert.ok(Date.now() - before >= 290, 'the time of grace was given');
      assert.equal((await bench().wait(uid)).signal, 9);
    });

    it('ends the descendants of a task with it', async () => {
      const marker = `conformance-${process.pid}-${Date.now()}`;
      const uid = await bench().start(
        `(exec -a ${marker} sleep 1000 2>/dev/null || sleep 1000) & setsid sleep 1000 & echo ready; wait`,
      );
      await bench().said(uid, /ready/);
      await bench().executor.stop(uid, 0);
      assert.equal((await bench().wait(uid)).signal, 9);
    });

    it('answers stop, wait and destroy again and again', async () => {
      const { executor } = bench();
      const uid = await bench().start('exit 4');
      const [first, second] = await Promise.all([bench().wait(uid), bench().wait(uid)]);
      assert.deepEqual(first, second);
      await executor.stop(uid, 0);
      await executor.stop(uid, 100);
      assert.equal((await bench().wait(uid)).code, 4);
      await Promise.all([executor.destroy(uid), executor.destroy(uid)]);
      await executor.destroy(uid);
      assert.ok(!(await executor.list()).includes(uid));
    });

    it('destroys a container that runs', async () => {
      const uid = await bench().start(deaf);
      assert.ok((await bench().executor.list()).includes(uid));
      await bench().executor.destroy(uid);
      assert.ok(!(await bench().executor.list()).includes(uid));
    });

    it('stops waiting when the caller gives up, and the task runs on', async () => {
      const { executor } = bench();
      const uid = await bench().start(patient);
      await assert.rejects(executor.wait(uid, AbortSignal.timeout(50)));
      assert.equal(await executor.recover(uid, executor.handleFor(uid), deadline()), 'running');
    });

    it('starts again what has ended, a hundred milliseconds or none later', async () => {
      const uid = await bench().start('echo first; exit 1');
      assert.equal((await bench().wait(uid)).code, 1);
      for (const code of [2, 3, 4]) {
        await bench().start(`exit ${code}`, { uid });
        assert.equal((await bench().wait(uid)).code, code);
      }
    });

    it('takes away what an earlier start left running before it starts again', async () => {
      const uid = await bench().start(deaf);
      await bench().said(uid, /ready/);
      await bench().restart();
      await bench().start('exit 5', { uid });
      assert.equal((await bench().wait(uid)).code, 5);
    });
  });

  describe('recovery', () => {
    it('finds a running container after the service restarted, and waits for it', async () => {
      const uid = await bench().start(patient);
      const handle = bench().executor.handleFor(uid);
      await bench().said(uid, /ready/);
      await bench().restart();
      const { executor } = bench();
      assert.equal(await executor.recover(uid, JSON.parse(JSON.stringify(handle)), deadline()), 'running');
      await executor.stop(uid, 10_000);
      assert.equal((await bench().wait(uid)).code, 7);
    });

    it('tells the exit of a task that ended while no service was there, until it is settled', async () => {
      const uid = await bench().start('sleep 0.2; exit 33');
      const handle = bench().executor.handleFor(uid);
      await bench().restart();
      await sleep(600);
      const { executor } = bench();
      assert.equal(await executor.recover(uid, handle, deadline()), 'exited');
      assert.equal((await bench().wait(uid)).code, 33);
      await executor.settle(uid);
      await executor.settle(uid);
      assert.equal(await executor.recover(uid, handle, deadline()), 'gone');
    });
  });
}
