import assert from 'node:assert/strict';
import { type Bench, collect, deadline } from './bench.js';
import { rejection } from './rejection.js';

const idle = 'echo here > "$PORTLAYER_STATE"/f; echo ready; while :; do sleep 0.1; done';

/** The facet `exec`, where it is there. */
export function execChecks(bench: () => Bench): void {
  describe('exec', () => {
    before(function () {
      if (!bench().executor.exec) this.skip();
    });
    async function exec(uid: string, script: string, input = '', env = {}) {
      const facet = bench().executor.exec;
      if (!facet) throw new Error('no facet');
      const session = await facet.exec(uid, { argv: ['sh', '-c', script], env }, deadline());
      session.stdin.end(input);
      const [out, err, exited] = await Promise.all([
        collect(session.stdout),
        collect(session.stderr),
        session.exited,
      ]);
      return { code: exited.code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
    }

    it('runs a command beside the task, with its input, outputs, environment and exit code', async () => {
      const uid = await bench().start(idle);
      await bench().said(uid, /ready/);
      const done = await exec(uid, 'cat "$PORTLAYER_STATE"/f; cat; echo "$V"; echo bad >&2; exit 6', 'in\n', {
        V: 'a b',
      });
      assert.deepEqual(done, { code: 6, out: 'here\nin\na b\n', err: 'bad\n' });
    });

    it('sees the processes of the container and none else', async () => {
      const uid = await bench().start(idle);
      await bench().said(uid, /ready/);
      const { out } = await exec(uid, 'tr "\\0" " " < /proc/1/cmdline');
      assert.match(out, /init/);
    });

    it('ends with the container', async () => {
      const uid = await bench().start(idle);
      await bench().said(uid, /ready/);
      const running = exec(uid, 'sleep 1000');
      await new Promise(resolve => setTimeout(resolve, 200));
      await bench().executor.stop(uid, 0);
      assert.notEqual((await running).code, 0);
    });

    it('refuses a container that has ended', async () => {
      const { uid } = await bench().run('true');
      await rejection(exec(uid, 'true'), 'WRONG_STATE');
    });
  });
}
