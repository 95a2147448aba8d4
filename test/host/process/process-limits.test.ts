import { expect } from 'chai';
import { Bench } from '../../conformance/bench.js';
import { rejection } from '../../conformance/rejection.js';
import { processSubject } from './subject.js';

describe('limits of the executor process', function () {
  this.timeout(30_000);
  let bench: Bench;
  before(async () => {
    bench = new Bench(await processSubject({}));
    await bench.open();
  });
  afterEach(() => bench.clear());
  after(() => bench.close());

  /** Where a limit cannot be kept it must be refused, and that is then the test. */
  async function kept(resources: object): Promise<boolean> {
    const refused = await bench.executor.check(bench.spec('true', { resources })).then(
      () => undefined,
      () => rejection(bench.executor.check(bench.spec('true', { resources })), 'CAPABILITY_MISSING'),
    );
    return refused === undefined;
  }

  it('end a task that takes more memory than it may, and say so', async () => {
    const resources = { memoryBytes: 32 * 1024 * 1024 };
    if (!(await kept(resources))) return;
    const task = { argv: ['tail', '/dev/zero'] };
    const { exit } = await bench.run('', { spec: { resources, task } });
    expect([exit.signal, exit.oomKilled]).to.deep.equal([9, true]);
  });

  it('let no more processes begin than they say', async () => {
    const resources = { pids: 12 };
    if (!(await kept(resources))) return;
    const { output } = await bench.run('for i in $(seq 30); do sleep 5 & done 2>&1; echo end', {
      spec: { resources },
    });
    expect(output).to.match(/fork|Resource temporarily unavailable/i);
  });

  it('are set and lifted while the task runs', async () => {
    if (!(await kept({ pids: 12 }))) return;
    const uid = await bench.start(
      'echo ready; while [ ! -e go ]; do sleep 0.05; done; (sleep 0.1 & sleep 0.1 & wait) && echo made',
    );
    await bench.said(uid, /ready/);
    await bench.executor.bind?.bind(uid, { pids: 1, cpus: 0.5, memoryBytes: 64 * 1024 * 1024 });
    await bench.executor.bind?.bind(uid, {});
    await bench.executor.exec?.exec(
      uid,
      { argv: ['touch', '/state/go'], env: {} },
      AbortSignal.timeout(5_000),
    );
    await bench.wait(uid);
    expect(await bench.output(uid)).to.match(/made/);
  });
});
