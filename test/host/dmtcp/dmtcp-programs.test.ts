import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type DmtcpWorld, openOrSkip } from './world.js';

const askTcp =
  'import socket; s = socket.create_connection(("127.0.0.1", 8888), 5); print(s.recv(64).decode().strip())';
/** Adds up squares for a while and says the sum at the end: the same, however often it was cut. */
const numeric = `import time
total = 0
print("begun", flush=True)
until = time.monotonic() + 3
n = 0
while n < 400000:
    n += 1
    total = (total * 31 + n * n) % 1000000007
    if n % 100000 == 0: print(n, flush=True); time.sleep(0.2)
print("sum", total, flush=True)`;

describe('programs under DMTCP', function () {
  this.timeout(120_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    dmtcp = await openOrSkip(this);
  });
  afterEach(() => dmtcp?.world.clear());
  after(() => dmtcp?.world.close());

  const request = async (name: string) =>
    (await dmtcp.world.exec(name, `/usr/bin/python3 -c '${askTcp}'`)).trim();

  it('the server of the Apptainer documentation answers 3 after a restart, at once, in place and in three copies', async () => {
    const { world } = dmtcp;
    await dmtcp.run('server', ['/usr/bin/python3', '/programs/requests.py']);
    await world.said('server', /listening/);
    expect([await request('server'), await request('server')]).to.deep.equal(['1', '2']);
    const { crid } = await dmtcp.checkpoint('server', { stopAfter: true, committed: true });
    expect((await world.dispatch.getContainer('server')).state).to.equal('exited');
    for (const copy of await world.fork({ checkpoint: crid }, 3, 'copy'))
      expect(await request(copy)).to.equal('3');
    for (let times = 0; times < 3; times++) {
      const restore = { checkpoint: crid, inPlace: true, labels: {} };
      await world.dispatch.restoreCheckpoint('', restore, AbortSignal.timeout(30_000));
      expect(await request('server'), `time ${times}`).to.equal('3');
      await world.dispatch.stopContainer('', 'server', 0);
    }
  });

  const trees: [string, string[], RegExp, RegExp][] = [
    ['threads in C', ['/programs/threads'], /^round 5:/, /^round \d+: 4 threads moved/],
    ['a tree of shells with pipes', ['bash', '/programs/pipes.sh'], /^got 10$/, /^got \d+$/],
    ['a Node program', [process.execPath, '/programs/ticks.mjs'], /^tick 5 /, /^tick \d+ 7$/],
  ];
  for (const [what, argv, first, later] of trees) {
    it(`${what} go on where they were, in the original, in a copy, and in a copy of the copy`, async () => {
      const { world } = dmtcp;
      await dmtcp.run('one', argv);
      await world.said('one', first);
      const checkpoint = await dmtcp.checkpoint('one');
      const before = numberOf((await world.output('one')).at(-1));
      await world.restore(checkpoint.crid, 'two');
      await world.said('two', later);
      const second = await dmtcp.checkpoint('two');
      await world.restore(second.crid, 'three');
      await world.said('three', later);
      for (const name of ['one', 'two', 'three']) {
        const count = (await world.output(name)).length;
        const more = async () => (await world.output(name)).length > count;
        for (const until = Date.now() + 30_000; Date.now() < until && !(await more()); ) await sleep(50);
        expect(await more(), `${name} goes on`).to.equal(true);
      }
      const begin = numberOf((await world.output('two'))[0]);
      expect(begin).to.be.within(1, before + 4);
      expect(numberOf((await world.output('three'))[0])).to.be.at.least(begin);
    });
  }

  it('a long numeric job comes to the same sum in the original, and in a copy of its middle', async () => {
    const { world } = dmtcp;
    await dmtcp.run('job', ['/usr/bin/python3', '-c', numeric]);
    await world.said('job', /^100000$/);
    const { crid } = await dmtcp.checkpoint('job');
    await world.restore(crid, 'copy');
    const [original, copy] = [await dmtcp.end('job'), await dmtcp.end('copy')];
    expect([original.code, copy.code]).to.deep.equal([0, 0]);
    expect(copy.output.at(-1))
      .to.equal(original.output.at(-1))
      .and.to.match(/^sum \d+$/);
    expect(copy.output.length).to.be.lessThan(original.output.length);
  });

  it('the exit status of a copy is its own: a code, and a signal', async () => {
    const { world } = dmtcp;
    // One that starts no processes: DMTCP can hang where one is made in the moment of a checkpoint.
    const script = (end: string) => [
      '/usr/bin/python3',
      '-c',
      `import os, time\nprint("up", flush=True)\nwhile not os.path.exists("/state/go"): time.sleep(0.05)\n${end}`,
    ];
    for (const [name, end, code, signal] of [
      ['seven', 'os._exit(7)', 7, 0],
      ['killed', 'os.kill(os.getpid(), 9)', 137, 9],
    ] as const) {
      await dmtcp.run(name, script(end));
      await world.said(name, /^up$/);
      const { crid } = await dmtcp.checkpoint(name);
      await world.restore(crid, `${name}-copy`);
      for (const one of [name, `${name}-copy`]) {
        await world.exec(one, 'touch /state/go');
        const ended = await dmtcp.end(one);
        expect([ended.code, ended.signal], `${one}: ${ended.output.join('\n')}`).to.deep.equal([
          code,
          signal,
        ]);
      }
    }
  });

  it('the writable layer is of the moment of the image', async () => {
    const { world } = dmtcp;
    const script =
      'import time\nlog = open("/state/log", "w")\ni = 0\nwhile True:\n i += 1; print(i, file=log, flush=True); print(i, flush=True)\n if i % 7 == 0: time.sleep(0.01)';
    await dmtcp.run('writer', ['/usr/bin/python3', '-c', script]);
    await world.said('writer', /^50$/);
    const { crid } = await dmtcp.checkpoint('writer');
    await world.restore(crid, 'copy');
    await world.said('copy', /^\d+$/);
    const [first] = await world.output('copy');
    const lines = (await world.exec('copy', 'cat /state/log')).trim().split('\n').map(Number);
    expect(lines.slice(0, Number(first)), 'no line is missing, none is twice').to.deep.equal(
      Array.from({ length: Math.min(lines.length, Number(first)) }, (_, i) => i + 1),
    );
  });
});

function numberOf(line: string | undefined): number {
  return Number(/\d+/.exec(line ?? '')?.[0]);
}
