import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { alive, build, Control, initSource, type Monitored, monitored } from './monitored.js';

/** What a hostile end may write. */
const poison = [
  'garbage\n',
  'TRIGGER v=1\n',
  'TRIGGER v=1 inc=../../etc/passwd seq=1\n',
  'HELLO v=2 inc=0123456789abcdef pid=1\n',
  `FAILED v=1 inc=0123456789abcdef text=${'%'.repeat(200)}\n`,
  'ANSWER result=id\nANSWER result=id\n',
  `SIGNAL n=${'9'.repeat(300)}\n`,
  '\n',
  '\0\0\0\n',
  'A'.repeat(1024),
  'A'.repeat(100_000),
  `HELLO v=1 x=${'a'.repeat(900)}\nHELLO v=1\n`,
  'INIT pid=1\n',
  'HELLO v=1',
];

async function floods(path: string, count: number): Promise<void> {
  let left = count;
  await new Promise<void>(resolve => {
    let open = 0;
    const more = () => {
      while (open < 50 && left > 0) {
        left--;
        open++;
        const socket = connect(path);
        socket.on('error', error => {
          // The queue was full: that was no connection yet.
          if ('syscall' in error && error.syscall === 'connect') left++;
        });
        socket.on('connect', () => {
          socket.write(poison[left % poison.length]!);
          if (left % 3 === 0) socket.end();
          else socket.destroy();
        });
        socket.setTimeout(2000, () => socket.destroy());
        socket.resume();
        socket.on('close', () => {
          open--;
          more();
        });
      }
      if (open === 0 && left === 0) resolve();
    };
    more();
  });
}

/** A container that works is one whose task can still ask, and be answered. */
async function works(container: Monitored): Promise<void> {
  using control = await container.control();
  await control.next('MONITOR');
  using socket = await Control.to(container.socket);
  socket.send('CHECKPOINT v=1 mech=any timeout-ms=10000');
  const trigger = await control.next('TRIGGER', 12_000);
  control.send(`ANSWER inc=${trigger.values.inc} seq=${trigger.values.seq} result=id value=1 crid=01X`);
  expect((await socket.next('ANSWER')).values.crid).to.equal('01X');
}

describe('a hostile end', function () {
  this.timeout(120_000);
  before(build);

  for (const [name, count] of [
    ['relay', 10_000],
    ['socket', 10_000],
    ['control', 10_000],
  ] as const) {
    it(`that opens ${count} connections and writes garbage on ${name} stops neither monitor nor init`, async () => {
      await using container = monitored({ script: 'echo up; sleep 1000' });
      await container.printed('up');
      const monitor = container.monitorPid!;
      await floods(name === 'control' ? join(container.directory, 'control.sock') : container[name], count);
      expect(alive(monitor)).to.equal(true);
      await works(container);
      const files = spawnSync('ls', [`/proc/${monitor}/fd`], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
      expect(files.length).to.be.below(20);
    });
  }

  it('that only holds connections open delays nobody for longer than its five seconds', async () => {
    await using container = monitored({ script: 'echo up; sleep 1000' });
    await container.printed('up');
    const held = [connect(container.relay), ...Array.from({ length: 63 }, () => connect(container.socket))];
    for (const socket of held) socket.on('error', () => {}).resume();
    try {
      await new Promise(resolve => setTimeout(resolve, 200));
      await works(container);
    } finally {
      for (const socket of held) socket.destroy();
    }
  });

  it('that is not the init is not listened to on relay.sock', async () => {
    await using container = monitored({ script: 'echo up; sleep 1000' });
    await container.printed('up');
    using stranger = await Control.to(container.relay);
    stranger.send('FETCH v=1 inc=0123456789abcdef');
    expect((await stranger.next('ERR')).values.reason).to.equal('not-init');
  });

  it('that floods the log is slowed down, not the loop', async () => {
    await using container = monitored({
      script: 'yes',
      monitor: ['--log-max-bytes', '100000', '--log-files', '2'],
    });
    await works(container);
    expect(container.log('log.1').length).to.be.at.most(100_000);
  });

  it('cannot break the reader of lines with any bytes', () => {
    const directory = mkdtempSync(join(tmpdir(), 'portlayer-fuzz-'));
    try {
      const fuzz = join(directory, 'line_fuzz');
      execFileSync('cc', [
        '-std=gnu11',
        '-D_GNU_SOURCE',
        '-O1',
        '-g',
        '-fsanitize=address,undefined',
        '-fno-sanitize-recover=all',
        '-o',
        fuzz,
        join(initSource, 'fuzz/line_fuzz.c'),
        join(initSource, 'line.c'),
      ]);
      const run = spawnSync(fuzz, ['--seed', '20261121', '--seconds', '5'], { encoding: 'utf8' });
      expect([run.status, run.stderr]).to.deep.equal([0, '']);
      expect(run.stdout).to.match(/^\d+ lines/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
