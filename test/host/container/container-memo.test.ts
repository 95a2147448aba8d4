import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ContainerRecord } from '../../../portlayer/model/container-record.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

/** A real service that is slow to start: it fills a table, listens, asks for a checkpoint, and says how it was answered. */
const SERVICE = `
const { createHash } = require('node:crypto');
const net = require('node:net');
const rounds = Number(require('node:fs').readFileSync('/srv/rounds', 'utf8'));
let table = 'seed';
for (let i = 0; i < rounds; i++) table = createHash('sha256').update(table).digest('hex');
const server = require('node:http').createServer((_, answer) => answer.end(table));
server.listen(8000, '127.0.0.1', () => {
  console.log('filled ' + table.slice(0, 8));
  const ask = net.connect(process.env.PORTLAYER_SOCKET);
  ask.write('CHECKPOINT v=1 mech=criu timeout-ms=60000\\n');
  let said = '';
  ask.on('data', data => { said += data; });
  ask.on('close', () => console.log('ready ' + (/result=(\\w+)/.exec(said) || [])[1] + ' ' + table.slice(0, 8)));
});
`;

describe('a published and a memoized container, with real parts', function () {
  this.timeout(120_000);
  const node = process.execPath;
  const missing = whyNot() ?? (node.startsWith('/usr/') ? undefined : `node is not below /usr: ${node}`);
  let world: World;

  before(async function () {
    if (missing) {
      console.log(`    skipped: ${missing}`);
      this.skip();
    }
    world = await openWorld();
    await mkdir(`${world.rootfs}/srv`, { recursive: true });
    await writeFile(`${world.rootfs}/srv/service.js`, SERVICE);
    await writeFile(`${world.rootfs}/srv/rounds`, '200000');
  });
  after(async () => {
    if (!missing) await world.close();
  });

  const serve = (name: string, more: Record<string, unknown> = {}): Promise<ContainerRecord> =>
    world.run(name, [node, '/srv/service.js'], { memo: {}, ...more });
  const published = async (count: number) => {
    const until = Date.now() + 60_000;
    for (;;) {
      const { items } = await world.dispatch.listCheckpoints({ published: true }, { size: 10 });
      if (items.length >= count) return items;
      if (Date.now() > until)
        throw new Error(`${items.length} of ${count} published:\n${world.log.join('\n')}`);
      await sleep(50);
    }
  };

  it('is captured when it says it is ready, and restored instead of being started again', async () => {
    const cold = await serve('cold');
    expect(cold.memo).to.include({ hit: false });
    const [, sum] = /^ready id (\w+)/.exec(await world.said('cold', /^ready id/, 60_000)) ?? [];
    const [entry] = await published(1);
    expect(entry).to.include({ published: `memo:${cold.memo?.key}`, mechanism: 'criu', source: 'guest' });
    const warm = await serve('warm');
    expect(warm.memo).to.include({ hit: true, checkpoint: entry?.crid });
    // It never filled its table: the copy's own log begins with the answer.
    expect(await world.said('warm', /^ready/, 60_000)).to.equal(`ready restored ${sum}`);
    expect((await world.output('warm')).some(line => line.startsWith('filled'))).to.equal(false);
    const ask = `${node} -e "fetch('http://127.0.0.1:8000').then(r => r.text()).then(console.log)"`;
    expect(await world.exec('warm', ask)).to.contain(sum);
  });

  it('misses when the root file system or an input has changed, and names it', async () => {
    const input = `${world.stateDirectory}/input`;
    await writeFile(input, 'one');
    await writeFile(`${world.rootfs}/srv/rounds`, '1000');
    const changed = await serve('changed');
    expect(changed.memo).to.include({ hit: false, reason: 'changed: rootfs' });
    await published(2);
    expect((await serve('declared', { memo: { inputs: [input] } })).memo?.reason).to.equal(
      `changed: input ${input}`,
    );
    await published(3);
    expect((await serve('again', { memo: { inputs: [input] } })).memo?.hit).to.equal(true);
    await writeFile(input, 'two');
    expect((await serve('other', { memo: { inputs: [input] } })).memo?.reason).to.equal(
      `changed: input ${input}`,
    );
  });

  it('is not named while its image holds a secret that it was given, unless forced; a copy gets the present value', async () => {
    const source = `${world.stateDirectory}/token`;
    await writeFile(source, 'first-secret-value\n');
    const secrets = [{ name: 'token', source, env: 'TOKEN', target: '/run/token' }];
    await world.run('keeps', ['sleep', '1000'], { secrets });
    const holds = await world.checkpoint('keeps', { committed: true });
    const refused = await world.dispatch
      .publishCheckpoint('', holds.crid, 'keeps:1', false)
      .catch(PortLayerError.from);
    expect(refused).to.include({ code: 'CONSTRAINT_UNMET' });
    expect((refused as PortLayerError).found)
      .to.match(/^token: image .* at \d+/)
      .and.not.contain('first-secret');
    expect(JSON.stringify(holds)).to.not.contain('first-secret');
    const forced = await world.dispatch.publishCheckpoint('', holds.crid, 'keeps:1', false, { force: true });
    expect(forced.published).to.equal('keeps:1');

    // Given as a file, it is in no memory until the task reads it.
    await world.run('mounts', ['sleep', '1000'], {
      secrets: [{ name: 'token', source, target: '/run/token' }],
    });
    const clean = await world.checkpoint('mounts', { committed: true });
    const named = await world.dispatch.publishCheckpoint('', clean.crid, 'mounts:1', false);
    expect(named.published).to.equal('mounts:1');
    await writeFile(source, 'second-secret-value\n');
    await world.restore('mounts:1', 'rotated');
    expect(await world.exec('rotated', 'cat /run/token')).to.equal('second-secret-value\n');
    expect(await world.exec('mounts', 'cat /run/token')).to.equal('first-secret-value\n');
  });

  it('is held against this host with every constraint met, and misses a volume that is gone', async () => {
    const { crid } = await world.dispatch.getCheckpoint('mounts:1');
    const report = await world.dispatch.checkRestore(crid, undefined);
    expect(report.verdicts.filter(v => !v.met)).to.deep.equal([]);
    expect(report.verdicts.map(v => v.key)).to.include.members([
      'kernel',
      'architecture',
      'cpu-features',
      'criu',
      'runc',
      'init-builds',
      'capabilities',
      'rootfs-digest',
      'path:/usr',
    ]);
    await writeFile(`${world.rootfs}/srv/rounds`, 'another content');
    const changed = await world.dispatch.checkRestore(crid, 'local');
    expect(changed.verdicts.filter(v => !v.met).map(v => v.key)).to.deep.equal(['rootfs-digest']);
    expect(changed.changes[0]?.what).to.contain('Put the root file system back');
  });
});
