// Mocha's spec reporter, which also leaves its counts in the file that PORTLAYER_TEST_COUNTS names. A test that passed
// only at its second try is told with the error of its first: on a busy machine such things happen, and none is hidden.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const again = [];
    runner.on('retry', (test, error) => {
      again.push(test.fullTitle());
      console.log(
        `      tried again: ${test.title}\n${String(error?.stack ?? error).replace(/^/gm, '        ')}`,
      );
    });
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const counts = { passed: passes, failed: failures, skipped: pending, again };
      const file = process.env.PORTLAYER_TEST_COUNTS;
      if (file) writeFileSync(file, JSON.stringify(counts));
    });
  }
};
