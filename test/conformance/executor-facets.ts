import assert from 'node:assert/strict';
import type { Bench } from './bench.js';
import { deadline } from './bench.js';

/** Capability ⇔ facet, and the fingerprint. */
export function facetChecks(bench: () => Bench): void {
  describe('facets and fingerprint', () => {
    it('claims a capability exactly where it has the facet', () => {
      const { executor } = bench();
      const claims = new Set(executor.capabilities);
      assert.equal(claims.has('bind'), executor.bind !== undefined, 'bind');
      assert.equal(claims.has('exec'), executor.exec !== undefined, 'exec');
      assert.equal(claims.has('inside'), executor.inside !== undefined, 'inside');
      const checkpoints = executor.capabilities.filter(tag => tag.startsWith('checkpoint:'));
      const expected = executor.checkpoint ? [`checkpoint:${executor.checkpoint.name}`] : [];
      assert.deepEqual(checkpoints, expected);
      assert.ok(claims.has('run') && claims.has('writable-layer'));
      assert.equal(claims.size, executor.capabilities.length, 'no tag twice');
    });

    it('tells its fingerprint at once, and only takes away tags that it has', async () => {
      const { executor } = bench();
      for await (const print of executor.fingerprint(deadline())) {
        assert.equal(print.level, 'executor');
        assert.equal(print.name, executor.name);
        assert.notEqual(print.description, '');
        for (const finding of print.findings) {
          for (const tag of finding.removes ?? [])
            assert.ok(executor.capabilities.includes(tag) || finding.reason);
          if (finding.value === 'no') assert.ok(finding.reason, `${finding.key} says why`);
        }
        return;
      }
      assert.fail('no fingerprint came');
    });

    it('names the same handle for the same container, before and after a start', async () => {
      const { executor } = bench();
      const uid = await bench().start('true');
      assert.deepEqual(executor.handleFor(uid), executor.handleFor(uid));
      assert.equal((await executor.recover(uid, executor.handleFor(uid), deadline())) === 'gone', false);
    });
  });
}
