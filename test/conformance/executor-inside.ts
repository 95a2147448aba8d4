import assert from 'node:assert/strict';
import type { Inside } from '../../portlayer/plugin/executor.js';
import type { Bench } from './bench.js';
import { rejection } from './rejection.js';

/** The facet `inside`: what a loader's mechanism reaches of a running container. */
export function insideChecks(bench: () => Bench): void {
  describe('inside', () => {
    let access: Inside;
    before(function () {
      const { inside } = bench().executor;
      if (!inside) return this.skip();
      access = inside;
    });
    const script = 'echo text >/state/file; ln -s /etc/hostname /state/link; echo ready; exec sleep 1000';

    it('runs commands of the host in the network of the container, and in its pid namespace where asked', async () => {
      const uid = await bench().start(script);
      await bench().said(uid, /^ready$/);
      const init = await access.init(uid);
      const namespace = async (kind: string) =>
        (await access.host.run(['readlink', `/proc/${init}/ns/${kind}`])).stdout;
      const seen = await access.run(uid, ['readlink', '/proc/self/ns/net']);
      assert.deepEqual([seen.code, seen.stdout], [0, await namespace('net')]);
      const killed = await access.run(uid, ['kill', '-0', '1'], { pids: true });
      assert.equal(killed.code, 0);
      const own = await access.run(uid, ['sh', '-c', 'echo $$'], { pids: true });
      assert.ok(Number(own.stdout) > 1 && Number(own.stdout) < init, 'a small pid, as inside');
    });

    it('reads a file by its path inside, and follows no link', async () => {
      const uid = await bench().start(script);
      await bench().said(uid, /^ready$/);
      assert.equal(await access.read(uid, '/state/file'), 'text\n');
      for (const path of ['/state/link', '/state/none', '/state'])
        await rejection(access.read(uid, path), 'NOT_FOUND');
    });

    it('names the layers below the writable one', async () => {
      const uid = await bench().start(script);
      await bench().said(uid, /^ready$/);
      assert.deepEqual(await access.layersBelow(uid), []);
    });

    it('of a container that has ended there is nothing to reach', async () => {
      const { uid } = await bench().run('true');
      await rejection(access.init(uid), 'WRONG_STATE');
    });
  });
}
