import assert from 'node:assert/strict';
import { newUlid } from '../../portlayer/model/ids.js';
import { type Bench, collect, deadline } from './bench.js';
import { rejection } from './rejection.js';

/** Containers that were never started here, and names that are none. */
export function unknownChecks(bench: () => Bench): void {
  describe('unknown and hostile names', () => {
    it('takes stop, destroy and settle of an unknown container as done', async () => {
      const { executor } = bench();
      const uid = newUlid();
      await executor.stop(uid, 10);
      await executor.destroy(uid);
      await executor.settle(uid);
      assert.equal(await executor.recover(uid, executor.handleFor(uid), deadline()), 'gone');
    });

    it('tells the end of an unknown container as lost, not as an error', async () => {
      const exit = await bench().wait(newUlid());
      assert.equal(exit.code, 137);
      assert.ok(exit.failure);
    });

    it('says NOT_FOUND where there is nobody to talk to', async () => {
      const { executor } = bench();
      const uid = newUlid();
      await rejection(executor.signal(uid, 15), 'NOT_FOUND');
      await rejection(executor.link(uid, deadline()), 'NOT_FOUND');
      await rejection(collect(executor.logs(uid, { follow: false }, deadline())), 'NOT_FOUND');
      await rejection(executor.disk.freeze(uid, bench().layer()), 'NOT_FOUND');
      if (executor.bind) await rejection(executor.bind.bind(uid, { cpus: 0 }), 'NOT_FOUND');
      if (executor.exec)
        await rejection(executor.exec.exec(uid, { argv: ['true'], env: {} }, deadline()), 'NOT_FOUND');
    });

    for (const uid of ['../x', '..', 'a/b', '', 'a\u0000b', '-rf', 'x'.repeat(200)]) {
      it(`refuses the uid ${JSON.stringify(uid.slice(0, 20))}`, async () => {
        await rejection(bench().executor.destroy(uid), 'INVALID_SPEC');
        await rejection(bench().executor.stop(uid, 0), 'INVALID_SPEC');
      });
    }

    it('refuses options it does not know, before anything is started', async () => {
      const spec = bench().spec('true', { executorOptions: { noSuchOption: true } });
      const refused = await rejection(bench().executor.check(spec), 'INVALID_SPEC');
      assert.match(refused.message, /noSuchOption/);
    });
  });
}
