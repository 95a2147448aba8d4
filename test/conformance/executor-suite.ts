import { Bench, type ExecutorSubject } from './bench.js';
import { bindChecks } from './executor-bind.js';
import { diskChecks } from './executor-disk.js';
import { execChecks } from './executor-exec.js';
import { facetChecks } from './executor-facets.js';
import { insideChecks } from './executor-inside.js';
import { lifeChecks } from './executor-life.js';
import { linkChecks } from './executor-link.js';
import { logChecks } from './executor-logs.js';
import { unknownChecks } from './executor-unknown.js';

/**
 * Puts one executor through everything the contract in `portlayer/plugin/executor.ts` promises, as a mocha suite.
 * Facets that it does not have are left out; those it claims by a capability must be there.
 */
export function executorSuite(name: string, subject: () => Promise<ExecutorSubject>): void {
  describe(`executor ${name}`, function () {
    this.timeout(30_000);
    let bench: Bench | undefined;
    before(async function () {
      const made = await subject();
      if (made.skip !== undefined) {
        console.log(`      skipped: ${made.skip}`);
        return this.skip();
      }
      bench = new Bench(made);
      await bench.open();
    });
    afterEach(async () => bench?.clear());
    after(async () => bench?.close());
    const open = () => {
      if (!bench) throw new Error('the subject was not made');
      return bench;
    };
    facetChecks(open);
    lifeChecks(open);
    diskChecks(open);
    bindChecks(open);
    execChecks(open);
    insideChecks(open);
    logChecks(open);
    linkChecks(open);
    unknownChecks(open);
  });
}
