import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { rejection } from '../../conformance/rejection.js';
import { type DmtcpWorld, openOrSkip } from './world.js';

const counter = [
  '/usr/bin/python3',
  '-c',
  'import time\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.02)',
];

describe('faults under DMTCP', function () {
  this.timeout(120_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    dmtcp = await openOrSkip(this);
  });
  afterEach(() => dmtcp?.world.clear());
  after(() => dmtcp?.world.close());

  const goesOn = async (name: string) => {
    const count = (await dmtcp.world.output(name)).length;
    await dmtcp.world.said(name, new RegExp(`^${count + 5}$`));
  };
  const listed = async () => (await dmtcp.world.dispatch.listCheckpoints({}, { size: 100 })).items.length;

  it('a coordinator that is killed takes the task with it: that is said, and the newest checkpoint goes on', async () => {
    const { world } = dmtcp;
    await dmtcp.run('one', counter);
    await world.said('one', /^3$/);
    const { crid } = await dmtcp.checkpoint('one');
    await world.exec(
      'one',
      'for p in /proc/[0-9]*; do grep -q ^dmtcp_coor $p/comm && kill -9 $(basename $p); done',
    );
    const ended = await dmtcp.end('one');
    expect(ended.code).to.equal(99);
    expect(ended.message).to.match(/^dmtcp_coor\S* was ended by signal 9 while the task ran/);
    const error = await rejection(dmtcp.checkpoint('one'), 'WRONG_STATE');
    expect(error.found).to.equal('exited');
    await world.restore(crid, 'copy');
    await goesOn20('copy');
  });

  it('a store without room refuses the checkpoint before anything is suspended, and lists nothing', async () => {
    const { world } = dmtcp;
    await dmtcp.run('one', counter);
    await world.said('one', /^3$/);
    const staging = join(world.stateDirectory, 'staging');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=30m', 'tmpfs', staging]);
    try {
      await rejection(dmtcp.checkpoint('one'), 'STORE_FULL');
      expect(await listed()).to.equal(0);
      await goesOn('one');
    } finally {
      execFileSync('umount', [staging]);
    }
    await dmtcp.checkpoint('one');
    await goesOn('one');
  });

  it('one flipped byte in an image is found out, also by who has read it before; put back, it is restored', async () => {
    const { world } = dmtcp;
    await dmtcp.run('one', counter);
    await world.said('one', /^3$/);
    const { crid } = await dmtcp.checkpoint('one');
    await world.restore(crid, 'before');
    const [image = ''] = execFileSync('find', [
      world.stateDirectory,
      '-path',
      `*${crid}*`,
      '-name',
      'ckpt_*.dmtcp',
    ])
      .toString()
      .split('\n');
    const flip = () => {
      const file = openSync(image, 'r+');
      const byte = Buffer.alloc(1);
      const at = Math.floor(statSync(image).size / 2);
      readSync(file, byte, 0, 1, at);
      writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
      closeSync(file);
    };
    flip();
    const error = await rejection(world.restore(crid, 'flipped'), 'CHECKPOINT_CORRUPT');
    expect(error.found).to.match(/^ckpt_\S+\.dmtcp has another content$/);
    flip();
    await world.restore(crid, 'after');
    await goesOn20('after');
    await goesOn('one');
  });

  it('a pseudo terminal is found before DMTCP is asked, and named with who holds it', async () => {
    const { world } = dmtcp;
    const script =
      'import os, time\nboth = os.openpty()\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.02)';
    await dmtcp.run('one', ['/usr/bin/python3', '-c', script]);
    await world.said('one', /^3$/);
    const error = await rejection(dmtcp.checkpoint('one'), 'WRONG_STATE');
    expect(error.found).to.match(/^process \d+ inside holds the pseudo terminal on its descriptor \d+$/);
    await goesOn('one');
    expect(await listed()).to.equal(0);
  });

  it('a unix socket to something outside is found before DMTCP is asked; when it is closed, all is well', async () => {
    const { world } = dmtcp;
    const data = join(world.stateDirectory, 'outside');
    mkdirSync(data, { recursive: true });
    const server = createServer(connection => connection.on('error', () => {})).listen(join(data, 'socket'));
    await once(server, 'listening');
    const script = [
      'import os, socket, time',
      's = socket.socket(socket.AF_UNIX); s.connect("/outside/socket")',
      'a, b = socket.socketpair()',
      'i = 0',
      'while True:',
      ' i += 1; print(i, flush=True); time.sleep(0.02)',
      ' if s and os.path.exists("/outside/close"): s.close(); s = None; print("closed", flush=True)',
    ].join('\n');
    const volumes = [
      { source: '/usr', target: '/usr', readOnly: true },
      { source: data, target: '/outside', readOnly: false },
    ];
    try {
      await dmtcp.run('one', ['/usr/bin/python3', '-c', script], { volumes });
      await world.said('one', /^3$/);
      const error = await rejection(dmtcp.checkpoint('one'), 'WRONG_STATE');
      expect(error.found).to.match(/^process \d+ inside holds a unix socket \(inode \d+\) whose other end/);
      writeFileSync(join(data, 'close'), '');
      await world.said('one', /^closed$/);
      await dmtcp.checkpoint('one');
      const last = Number((await world.output('one')).filter(line => /^\d+$/.test(line)).at(-1));
      await world.said('one', new RegExp(`^${last + 5}$`));
    } finally {
      server.close();
    }
  });

  it('a restart whose volume is gone is refused, and names it', async () => {
    const { world } = dmtcp;
    const data = join(world.stateDirectory, 'data');
    execFileSync('mkdir', ['-p', data]);
    const volumes = [
      { source: '/usr', target: '/usr', readOnly: true },
      { source: data, target: '/data', readOnly: false },
    ];
    await dmtcp.run('one', counter, { volumes });
    await world.said('one', /^3$/);
    const { crid } = await dmtcp.checkpoint('one', { stopAfter: true });
    execFileSync('rmdir', [data]);
    const copy = await rejection(world.restore(crid, 'copy'), 'INVALID_SPEC', 'CONSTRAINT_UNMET');
    expect(`${copy.required} ${copy.found}`).to.include(data);
    const request = { checkpoint: crid, inPlace: true, labels: {} };
    await rejection(
      world.dispatch.restoreCheckpoint('', request, AbortSignal.timeout(30_000)),
      'INVALID_SPEC',
      'CONSTRAINT_UNMET',
    );
  });

  it('a paused container cannot be checkpointed: its own processes would have to write', async () => {
    const { world } = dmtcp;
    await world.close();
    dmtcp = await openOrSkip({} as Mocha.Context, { quiesceMs: 1_000 });
    await dmtcp.run('one', counter);
    await dmtcp.world.said('one', /^3$/);
    await dmtcp.world.dispatch.bindContainer('', 'one', { cpus: 0 });
    const error = await rejection(dmtcp.checkpoint('one'), 'QUIESCE_TIMEOUT');
    expect(error.required).to.include('not paused');
    await dmtcp.world.dispatch.bindContainer('', 'one', {});
    await goesOn('one');
    await dmtcp.checkpoint('one');
  });

  const goesOn20 = async (name: string) => {
    await dmtcp.world.said(name, /^\d+$/);
    const first = Number((await dmtcp.world.output(name))[0]);
    await dmtcp.world.said(name, new RegExp(`^${first + 5}$`));
  };
});
