import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, deadline } from './bench.js';
import { rejection } from './rejection.js';

const counter = 'echo ready; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done';

/** The facet `bind`, where it is there. */
export function bindChecks(bench: () => Bench): void {
  describe('bind', () => {
    before(function () {
      if (!bench().executor.bind) this.skip();
    });
    const bind = () => {
      const facet = bench().executor.bind;
      if (!facet) throw new Error('no facet');
      return facet;
    };

    it('stops everything with 0 CPUs, and lets it go on', async () => {
      const uid = await bench().start(`(${counter}) & ${counter}`);
      await bench().said(uid, /^20$/);
      await bind().bind(uid, { cpus: 0 });
      await bind().bind(uid, { cpus: 0 });
      await sleep(300); // What was written before is still on its way through the log.
      const before = await bench().output(uid);
      await sleep(300);
      assert.equal(await bench().output(uid), before, 'nothing ran');
      await bind().bind(uid, {});
      await bind().bind(uid, {});
      await sleep(300);
      assert.notEqual(await bench().output(uid), before, 'it runs on');
    });

    it('is still bound after the service restarted', async () => {
      const uid = await bench().start(counter);
      await bench().said(uid, /^5$/);
      await bind().bind(uid, { cpus: 0 });
      await bench().restart();
      const { executor } = bench();
      assert.equal(await executor.recover(uid, executor.handleFor(uid), deadline()), 'running');
      await bind().bind(uid, {});
      const before = (await bench().output(uid)).length;
      await sleep(300);
      assert.ok((await bench().output(uid)).length > before);
    });

    it('stops and destroys what is paused', async () => {
      const one = await bench().start(counter);
      await bench().said(one, /^5$/);
      await bind().bind(one, { cpus: 0 });
      await bench().executor.stop(one, 1_000);
      assert.notEqual((await bench().wait(one)).signal, 0);
      const other = await bench().start(counter);
      await bench().said(other, /^5$/);
      await bind().bind(other, { cpus: 0 });
      await bench().executor.destroy(other);
      assert.ok(!(await bench().executor.list()).includes(other));
    });

    it('limits CPU, or refuses to; it never ignores the number', async () => {
      const uid = await bench().start('echo ready; while :; do :; done');
      await bench().said(uid, /ready/);
      const refused = await bind()
        .bind(uid, { cpus: 0.1 })
        .then(
          () => undefined,
          (caught: unknown) => caught,
        );
      if (refused !== undefined) {
        await rejection(bind().bind(uid, { cpus: 0.1 }), 'CAPABILITY_MISSING');
        await rejection(
          bench().executor.check(bench().spec('true', { resources: { cpus: 0.1 } })),
          'CAPABILITY_MISSING',
        );
        return;
      }
      await bench().executor.stop(uid, 0);
      // By work done in 2 to 3 s of the task: a start may take much longer than the work, or not be limited.
      const work =
        'end=$(($(date +%s) + 3)); n=0; while [ $(date +%s) -lt $end ]; do n=$((n+1)); done; echo did $n';
      const done = async (resources: object) => {
        const other = await bench().start(work, { spec: { resources } });
        return Number((await bench().said(other, /^did /)).slice(4));
      };
      const [free, limited] = [await done({}), await done({ cpus: 0.1 })];
      assert.ok(free > 1.5 * limited, `${limited} rounds with a tenth of a CPU, ${free} without a limit`);
    });

    it('refuses to bind what has ended', async () => {
      const { uid } = await bench().run('true');
      await rejection(bind().bind(uid, { cpus: 0 }), 'WRONG_STATE');
    });
  });
}
