import assert from 'node:assert/strict';
import { asNobody, type Nobody, ownFile, whyNotNobody } from './as-nobody.js';

/** Of the conformance suite, what a user namespace makes different. All of it: `npm test -- rootless`. */
const core =
  '/facets and fingerprint| inside | exec runs|reports exit code|ends the descendants|restores what was frozen|stops everything with 0|carries a trigger|finds a running container|keeps both streams/';

describe('the executor container without root', function () {
  this.timeout(400_000);
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

  it('passes the core of the conformance suite: run, recover, logs, exec, inside, pause, disk, link', async () => {
    const { code, output } = await nobody!.mocha('container-conformance.test', ['--grep', core]);
    assert.equal(code, 0, output);
    assert.match(output, /\d{2,} passing/);
  });

  it('runs a loop by exit code to its end, restores from it, and says what it cannot do', async () => {
    const { code, output } = await nobody!.run(['--import', 'tsx', ownFile('rootless-loop')]);
    assert.equal(code, 0, output);
    assert.match(output, /all as it should be/);
  });
});
