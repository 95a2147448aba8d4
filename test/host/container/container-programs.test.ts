import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { buildPrograms } from './programs.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const askTcp =
  'import socket; s = socket.create_connection(("127.0.0.1", 8888), 5); print(s.recv(64).decode().strip())';

describe('programs that are checkpointed while they run', function () {
  this.timeout(60_000);
  let world: World;
  let volumes: object[];
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
    volumes = [{ source: '/usr', target: '/usr', readOnly: true }, buildPrograms(world.stateDirectory)];
  });
  afterEach(() => world?.clear());
  after(() => world?.close());

  const run = (name: string, ...argv: string[]) => world.run(name, argv, { volumes });
  const request = async (name: string) => (await world.exec(name, `python3 -c '${askTcp}'`)).trim();

  it('a Python server that has counted two requests answers the third after a restore, and in each of three copies', async () => {
    await run('server', 'python3', '/programs/requests.py');
    await world.said('server', /listening/);
    expect([await request('server'), await request('server')]).to.deep.equal(['1', '2']);
    const checkpoint = await world.checkpoint('server', { stopAfter: true });
    expect((await world.dispatch.getContainer('server')).state).to.equal('exited');
    await world.restore(checkpoint.crid, 'again');
    expect(await request('again')).to.equal('3');
    const copies = await world.fork({ checkpoint: checkpoint.crid }, 3, 'copy');
    expect(copies).to.have.length(3);
    for (const copy of copies) expect(await request(copy)).to.equal('3');
    expect(await request('again')).to.equal('4');
  });

  it('a container that runs is forked into three, and goes on itself', async () => {
    await run('server', 'python3', '/programs/requests.py');
    await world.said('server', /listening/);
    for (const wanted of ['1', '2']) expect(await request('server')).to.equal(wanted);
    for (const copy of await world.fork({ container: 'server' }, 3, 'copy'))
      expect(await request(copy)).to.equal('3');
    expect(await request('server')).to.equal('3');
  });

  it('redis keeps 10,000 keys, and does not notice that a client is connected', async function () {
    if (!existsSync('/usr/bin/redis-server')) {
      console.log('      skipped: redis-server is missing: apt-get install redis-server');
      return this.skip();
    }
    await run(
      'redis',
      'redis-server',
      '--save',
      '',
      '--bind',
      '0.0.0.0',
      '--protected-mode',
      'no',
      '--dir',
      '/state',
    );
    await world.said('redis', /Ready to accept/);
    const cli = (name: string, command: string) => world.exec(name, `redis-cli ${command}`);
    await world.exec('redis', 'seq 1 10000 | sed "s/.*/SET key& value&/" | redis-cli --pipe');
    expect((await cli('redis', 'dbsize')).trim()).to.equal('10000');
    const session = await world.dispatch.exec(
      'redis',
      { argv: ['redis-cli', 'blpop', 'list', '20'], env: {} },
      AbortSignal.timeout(30_000),
    );
    let answer = '';
    const reading = (async () => {
      for await (const chunk of session.stdout) answer += String(chunk);
    })();
    await sleep(200);
    const checkpoint = await world.checkpoint('redis');
    await world.restore(checkpoint.crid, 'copy');
    for (const name of ['redis', 'copy']) {
      expect((await cli(name, 'dbsize')).trim()).to.equal('10000');
      expect((await cli(name, 'get key7777')).trim()).to.equal('value7777');
    }
    await cli('redis', 'rpush list here');
    await reading;
    expect(answer, 'the client of the original is still served').to.include('here');
    await cli('copy', 'set key1 other');
    expect((await cli('redis', 'get key1')).trim(), 'a copy is its own').to.equal('value1');
  });

  const trees: [string, string[], RegExp, RegExp][] = [
    ['threads in C', ['/programs/threads'], /^round 5:/, /^round \d+: 4 threads moved/],
    ['a tree of shells with pipes', ['sh', '/programs/pipes.sh'], /^got 10$/, /^got \d+$/],
    ['a Node program', ['node', '/programs/ticks.mjs'], /^tick 5 /, /^tick \d+ 7$/],
  ];
  for (const [what, argv, first, later] of trees) {
    it(`${what} go on where they were, in the original, in a copy, and in a copy of the copy`, async () => {
      await run('one', ...argv);
      await world.said('one', first);
      const checkpoint = await world.checkpoint('one');
      const before = numberOf((await world.output('one')).at(-1));
      await world.restore(checkpoint.crid, 'two');
      await world.said('two', later);
      const second = await world.checkpoint('two');
      await world.restore(second.crid, 'three');
      await world.said('three', later);
      for (const name of ['one', 'two', 'three']) {
        const count = (await world.output(name)).length;
        await sleep(250);
        expect((await world.output(name)).length, `${name} goes on`).to.be.greaterThan(count);
      }
      const begin = numberOf((await world.output('two'))[0]);
      expect(begin).to.be.within(before - 4, before + 6);
      expect(numberOf((await world.output('three'))[0])).to.be.greaterThan(begin);
    });
  }

  it('nothing of it all is left when it is removed', async () => {
    await world.clear();
    const mounts = execFileSync('cat', ['/proc/mounts'], { encoding: 'utf8' });
    expect(mounts).not.to.include(world.stateDirectory);
  });
});

function numberOf(line: string | undefined): number {
  return Number(/\d+/.exec(line ?? '')?.[0]);
}
