import assert from 'node:assert/strict';
import { asNobody, type Nobody, whyNotNobody } from '../container/as-nobody.js';

describe('the executor container without root, in full', function () {
  this.timeout(600_000);
  let nobody: Nobody | undefined;
  before(function () {
    const reason = whyNotNobody();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    nobody = asNobody();
  });
  after(() => nobody?.close());

  it('passes the whole conformance suite', async () => {
    const { code, output } = await nobody!.mocha('container-conformance.test', []);
    assert.equal(code, 0, output);
    assert.match(output, /\d{2,} passing/);
  });
});
