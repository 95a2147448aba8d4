import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { leftovers } from './leftovers.js';
import { buildPrograms } from './programs.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const counter = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'];

describe('what the mechanism criu refuses', function () {
  this.timeout(60_000);
  let world: World;
  let volumes: object[];
  let listener: Server;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld({ quiesceMs: 4_000 });
    const host = join(world.stateDirectory, 'host');
    execFileSync('mkdir', ['-p', host]);
    listener = createServer(() => {}).listen(join(host, 'listener.sock'));
    volumes = [
      { source: '/usr', target: '/usr', readOnly: true },
      { source: host, target: '/run/host', readOnly: false },
      buildPrograms(world.stateDirectory),
    ];
  });
  afterEach(() => world?.clear());
  after(async () => {
    listener?.close();
    await world?.close();
  });

  const refusal = async (promise: Promise<unknown>): Promise<PortLayerError> => {
    const caught = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(caught, 'it must be refused').to.be.instanceOf(PortLayerError);
    return caught as PortLayerError;
  };
  const goesOn = async (name: string) => {
    const before = (await world.output(name)).length;
    await sleep(300);
    expect((await world.output(name)).length, 'the original goes on').to.be.greaterThan(before);
    const { items } = await world.dispatch.listCheckpoints({ container: name }, { size: 10 });
    expect(items, 'nothing is listed').to.deep.equal([]);
  };

  const blockers: [string, RegExp, object][] = [
    ['io_uring', /io_uring of python3 \(pid \d+\)/, { seccomp: 'unconfined' }],
    ['ghost', /deleted/, {}],
    ['host-socket', /outside the container/, {}],
    ['vsock', /vsock/, { seccomp: 'unconfined' }],
    ['stopped', /stopped/, {}],
  ];
  for (const [kind, words, executorOptions] of blockers) {
    it(`${kind}: named in words, and the original goes on`, async () => {
      await world.run('holder', ['python3', '/programs/blockers.py', kind], { volumes, executorOptions });
      await world.said('holder', /^alive 2$/);
      const error = await refusal(world.checkpoint('holder'));
      expect(error.code).to.equal('WRONG_STATE');
      expect(error.message + (error.found ?? '')).to.match(words);
      expect(error.remedy).to.be.a('string');
      if (kind !== 'ghost' && kind !== 'host-socket')
        expect(error.facts.pids, JSON.stringify(error.facts)).to.match(/^\d+/);
      await goesOn('holder');
    });
  }

  it('a process that cannot stop is named with what it waits for and since when, and the original goes on', async () => {
    await world.run('holder', ['/programs/vfork'], { volumes });
    await world.said('holder', /^alive 2$/);
    const error = await refusal(world.checkpoint('holder'));
    expect(error.code).to.equal('QUIESCE_TIMEOUT');
    expect(error.found).to.match(
      /vfork \(pid \d+\) waits for a child that has executed no program yet, since 4000 ms/,
    );
    await goesOn('holder');
  });

  it('docker’s filter keeps io_uring and vsock away from a task', async () => {
    await world.run('tries', ['python3', '/programs/blockers.py', 'io_uring'], { volumes });
    expect((await world.dispatch.waitContainer('tries', AbortSignal.timeout(10_000))).code).to.equal(1);
    expect((await world.output('tries')).join('\n')).to.include('not permitted');
  });

  it('an image whose files are gone or changed, each named, before anything is started', async () => {
    await world.run('one', counter);
    await world.said('one', /^5$/);
    const checkpoint = await world.checkpoint('one', { committed: true });
    const image = join(world.stateDirectory, 'staging', checkpoint.crid, 'image');
    const pages = readdirSync(image).find(name => name.startsWith('pages-'))!;
    truncateSync(join(image, pages), 4096);
    rmSync(join(image, 'pstree.img'));
    appendFileSync(join(image, 'inventory.img'), 'x');
    const error = await refusal(world.restore(checkpoint.crid, 'copy'));
    expect(error.code).to.equal('CHECKPOINT_CORRUPT');
    for (const name of [pages, 'pstree.img is gone', 'inventory.img']) expect(error.found).to.include(name);
    expect((await world.dispatch.getContainer('copy')).exit?.reason).to.equal('failed');
    await goesOnThough('one');
  });

  const goesOnThough = async (name: string) => {
    const before = (await world.output(name)).length;
    await sleep(200);
    expect((await world.output(name)).length).to.be.greaterThan(before);
  };

  it('files of the volumes that the image has open, gone or changed: each named, before anything is started', async () => {
    const host = join(world.stateDirectory, 'host');
    for (const name of ['log', 'gone', 'grown', 'edited', 'same']) writeFileSync(join(host, name), 'begin\n');
    const script =
      'cd /run/host; exec 3>>log 4<gone 5<grown 6<edited 7<same; while :; do echo alive; echo more >&3; sleep 0.05; done';
    await world.run('reader', ['sh', '-c', script], { volumes });
    await world.said('reader', /alive/);
    const checkpoint = await world.checkpoint('reader');
    rmSync(join(host, 'gone'));
    appendFileSync(join(host, 'grown'), 'more');
    writeFileSync(join(host, 'edited'), 'other\n');
    const error = await refusal(world.restore(checkpoint.crid, 'copy'));
    expect(error.code).to.equal('CONSTRAINT_UNMET');
    expect(error.found?.split('; ').sort()).to.deep.equal([
      '/run/host/edited was changed',
      '/run/host/gone is gone',
      '/run/host/grown has 10 bytes instead of 6',
    ]);
    expect(error.remedy).to.include('volumes');
    const { uid } = await world.dispatch.getContainer('copy');
    expect(leftovers(world.stateDirectory, uid)).to.deep.equal([]);
    await goesOnThough('reader');
  });

  it('a rootfs without what the task needs, or that is none', async () => {
    await world.run('lost', ['/no/such/program']);
    const exit = await world.dispatch.waitContainer('lost', AbortSignal.timeout(10_000));
    expect(exit.code).to.equal(127);
    expect(exit.failure).to.match(/no such file/i);
    for (const rootfs of ['/no/such/place', '/dev/null', '/var/../usr']) {
      const error = await refusal(world.run('none', ['true'], { rootfs }));
      expect(error.code).to.equal('INVALID_SPEC');
    }
  });

  it('a task that exits at once is no error of the start, and cannot be checkpointed', async () => {
    await world.run('short', ['true']);
    const exit = await world.dispatch.waitContainer('short', AbortSignal.timeout(10_000));
    expect([exit.code, exit.reason]).to.deep.equal([0, 'completed']);
    expect((await refusal(world.checkpoint('short'))).code).to.equal('WRONG_STATE');
  });

  it('what began by exec is not kept, and is named', async () => {
    await world.run('one', counter);
    await world.said('one', /^3$/);
    const session = await world.dispatch.exec(
      'one',
      { argv: ['sleep', '1000'], env: {} },
      AbortSignal.timeout(20_000),
    );
    await sleep(300);
    const checkpoint = await world.checkpoint('one');
    expect(world.log.join('\n')).to.match(/does not keep, begun by exec: \d+ sleep/);
    await world.restore(checkpoint.crid, 'copy');
    const listed = 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done 2>/dev/null';
    expect(await world.exec('one', listed)).to.include('sleep 1000');
    expect(await world.exec('copy', listed)).not.to.include('sleep 1000');
    session.stdin.end();
    await world.dispatch.stopContainer('', 'one', 0);
    await session.exited;
  });
});
