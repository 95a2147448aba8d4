import assert from 'node:assert/strict';
import { type Bench, collect, deadline, textOf } from './bench.js';

/** Logs: streams, following, rotation. */
export function logChecks(bench: () => Bench): void {
  describe('logs', () => {
    it('keeps both streams apart, with times', async () => {
      const before = Date.now();
      const { uid } = await bench().run('echo out; echo err >&2; printf "no end"');
      const entries = await collect(bench().executor.logs(uid, { follow: false }, deadline()));
      const of = (stream: string) => textOf(entries.filter(entry => entry.stream === stream));
      assert.match(of('stdout'), /^out\nno end\n?$/);
      assert.equal(of('stderr'), 'err\n');
      for (const entry of entries)
        assert.ok(entry.atMs >= before - 1_000 && entry.atMs <= Date.now() + 1_000);
    });

    it('follows until the task has ended', async () => {
      const uid = await bench().start('for i in 1 2 3 4 5; do echo $i; sleep 0.05; done');
      assert.equal(
        textOf(await collect(bench().executor.logs(uid, { follow: true }, deadline()))),
        '1\n2\n3\n4\n5\n',
      );
    });

    it('stops following when the caller gives up', async () => {
      const uid = await bench().start('echo ready; sleep 1000');
      await bench().said(uid, /ready/);
      const entries = await collect(bench().executor.logs(uid, { follow: true }, AbortSignal.timeout(300)));
      assert.equal(textOf(entries), 'ready\n');
    });

    it('gives the newest entries, and those since a moment', async () => {
      const { uid } = await bench().run('echo 1; echo 2; sleep 0.1; echo 3; echo 4');
      const all = await collect(bench().executor.logs(uid, { follow: false }, deadline()));
      const tail = await collect(bench().executor.logs(uid, { follow: false, tail: 3 }, deadline()));
      assert.equal(textOf(tail), '2\n3\n4\n');
      const sinceMs = all[2]?.atMs ?? 0;
      const since = await collect(bench().executor.logs(uid, { follow: false, sinceMs }, deadline()));
      assert.equal(textOf(since), '3\n4\n');
      assert.deepEqual(await collect(bench().executor.logs(uid, { follow: false, tail: 0 }, deadline())), []);
    });

    it('loses nothing to a follower across rotation, and keeps to its bounds', async () => {
      const log = { maxBytes: 65536, maxFiles: 3 };
      const script =
        'i=0; while [ $i -lt 6000 ]; do echo "line $i 0123456789012345678901234567890123456789"; i=$((i+1)); [ $((i % 500)) = 0 ] && sleep 0.25; done';
      const uid = await bench().start(script, { spec: { log } });
      const seen = textOf(await collect(bench().executor.logs(uid, { follow: true }, deadline())));
      assert.equal(seen.split('\n').length - 1, 6000);
      const kept = await bench().output(uid);
      assert.ok(
        kept.length < 3 * 65536 && kept.endsWith('line 5999 0123456789012345678901234567890123456789\n'),
      );
    });

    it('puts a very long line together again', async () => {
      const { output } = await bench().run('head -c 100000 /dev/zero | tr "\\0" x; echo; echo end');
      assert.equal(output, `${'x'.repeat(100_000)}\nend\n`);
    });
  });
}
