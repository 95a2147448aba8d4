import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { alive, binary, build, Monitored, monitored, type Place, until, whyNot } from './monitored.js';

describe('the monitor', function () {
  this.timeout(30_000);
  before(build);

  it('names its version and the protocol', () => {
    expect(spawnSync(binary, ['version'], { encoding: 'utf8' }).stdout).to.equal(
      'portlayer-init 0.1.0 relay 1\n',
    );
    expect(spawnSync(binary, ['monitor']).status).to.equal(2);
    expect(spawnSync(binary, ['init', '--nonsense', 'x', '--', 'true']).status).to.equal(2);
  });

  for (const place of ['root', 'unprivileged', 'no namespaces'] satisfies Place[]) {
    describe(`in the place "${place}"`, () => {
      before(function () {
        const reason = whyNot(place);
        if (reason !== undefined) {
          console.log(`      skipped: ${reason}`);
          this.skip();
        }
      });

      it("reports the task's exit code", async () => {
        await using container = monitored({ place, script: 'exit 85' });
        expect(await container.exited()).to.include({ code: '85', signal: '0', failure: '' });
      });

      it('tells a signal from a number that looks like one', async () => {
        await using killed = monitored({ place, script: 'kill -TERM $$' });
        expect(await killed.exited()).to.include({ code: '143', signal: '15' });
        await using said = monitored({ place, script: 'exit 143' });
        expect(await said.exited()).to.include({ code: '143', signal: '0' });
      });

      it('leaves nothing of the task behind when that ends', async () => {
        await using container = monitored({ place, script: 'setsid sleep 7654 & exit 3' });
        expect(await container.exited()).to.include({ code: '3' });
        const left = spawnSync('pgrep', ['-f', 'sleep 7654'], { encoding: 'utf8' });
        expect(left.stdout).to.equal('');
      });
    });
  }

  it('writes the log in the form of a kubelet', async () => {
    await using container = monitored({
      script:
        'echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three; sleep 1.3; echo " four"; printf five',
    });
    await container.exited();
    const lines = container.log().trimEnd().split('\n');
    for (const line of lines)
      expect(line).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] /);
    expect(lines.map(line => line.replace(/^\S+ /, ''))).to.deep.equal([
      'stdout F one',
      'stderr F two',
      'stdout P three',
      'stdout F  four',
      'stdout F five',
    ]);
  });

  it('cuts a line that never ends into pieces', async () => {
    await using container = monitored({ script: 'head -c 20000 /dev/zero | tr "\\0" x; echo' });
    await container.exited();
    const entries = container
      .log()
      .trimEnd()
      .split('\n')
      .map(line => line.split(' '));
    expect(entries.map(entry => [entry[2], entry[3]!.length])).to.deep.equal([
      ['P', 8192],
      ['P', 8192],
      ['F', 3616],
    ]);
  });

  it('rotates the log by size and keeps so many files', async () => {
    await using container = monitored({
      script: 'seq 1 2000',
      monitor: ['--log-max-bytes', '20000', '--log-files', '3'],
    });
    await container.exited();
    const files = readdirSync(container.directory)
      .filter(name => name.startsWith('log'))
      .sort();
    expect(files).to.deep.equal(['log', 'log.1', 'log.2']);
    for (const name of files) expect(container.log(name).length).to.be.within(1, 20_000);
    expect(container.log()).to.match(/ 2000\n$/);
  });

  it('goes on when the disk is full, counts what it dropped, and still tells how it ended', async function () {
    if (whyNot('root') !== undefined) return this.skip();
    await using container = new Monitored('no namespaces');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', container.directory]);
    try {
      const script =
        'dd if=/dev/zero of="$D/ballast" bs=4k 2>/dev/null; seq 1 30000; rm "$D/ballast"; echo again; sleep 0.3; dd if=/dev/zero of="$D/ballast" bs=4k 2>/dev/null; exit 6';
      container.start({ script, monitor: ['--log-files', '1'] });
      expect(await container.exited()).to.include({ code: '6' });
      expect(container.log()).to.match(
        / stderr F portlayer: \d+ lines dropped: No space left\n[\s\S]* stdout F again\n/,
      );
    } finally {
      execFileSync('umount', ['--lazy', container.directory]);
    }
  });

  it('works in a directory whose path is longer than a socket address', async () => {
    await using container = new Monitored('no namespaces');
    const long = join(container.directory, 'l'.repeat(120));
    mkdirSync(long);
    const started = spawnSync(binary, [
      'monitor',
      '--dir',
      long,
      '--',
      binary,
      'init',
      '--relay',
      join(long, 'relay/relay.sock'),
      '--',
      'sh',
      '-c',
      'exit 8',
    ]);
    expect(started.status).to.equal(0);
    await until(
      () => existsSync(join(long, 'exit')) || undefined,
      5000,
      () => 'no exit',
    );
    expect(readFileSync(join(long, 'exit'), 'utf8')).to.match(/^EXIT code=8 signal=0 /);
  });

  it('passes the environment on as it is', async () => {
    await using container = monitored({ script: 'echo "[$STRANGE]"', env: { STRANGE: 'a b=c%' } });
    await container.exited();
    expect(container.output()).to.equal('[a b=c%]\n');
  });

  it('outlives its starter and the whole process group of that', async () => {
    await using container = new Monitored('no namespaces');
    let group = 0;
    container.start({
      script: 'sleep 1; echo survived',
      launch: (command, argv, env) => {
        const child = spawn('sh', ['-c', '"$@"; echo started; sleep 100', 'sh', command, ...argv], {
          env,
          detached: true,
          stdio: 'ignore',
        });
        group = child.pid!;
      },
    });
    await until(
      () => container.monitorPid,
      5000,
      () => 'no monitor',
    );
    await until(
      () => existsSync(container.socket) || undefined,
      5000,
      () => 'no init',
    );
    process.kill(-group, 'SIGKILL');
    expect(await container.exited()).to.include({ code: '0' });
    expect(container.output()).to.equal('survived\n');
  });

  it('says why it cannot start a command and leaves nothing behind', async () => {
    await using container = new Monitored('no namespaces');
    const failed = spawnSync(binary, ['monitor', '--dir', container.directory, '--', '/no/such/command'], {
      encoding: 'utf8',
    });
    expect(failed.status).to.equal(1);
    expect(failed.stderr).to.match(
      /^portlayer-init monitor: cannot execute \/no\/such\/command: No such file or directory\n$/,
    );
    expect(readdirSync(container.directory)).to.deep.equal(['relay']);
    expect(readdirSync(join(container.directory, 'relay'))).to.deep.equal([]);
    const lost = spawnSync(
      binary,
      ['monitor', '--dir', container.directory, '--cgroup', '/no/group', '--', 'true'],
      { encoding: 'utf8' },
    );
    expect([lost.status, lost.stderr]).to.deep.equal([
      1,
      'portlayer-init monitor: cannot join the cgroup /no/group: No such file or directory\n',
    ]);
  });

  it('tells the service who is there, and the end', async () => {
    await using container = monitored({ script: 'sleep 1; exit 4' });
    using control = await container.control();
    const first = await control.next('MONITOR');
    expect(first.values).to.include({ v: '1', pid: String(container.monitorPid) });
    const started = await control.next('STARTED');
    expect(started.text).to.match(/^GUEST STARTED v=1 inc=[0-9a-f]{16} pid=\d+$/);
    control.send('ACK n=1');
    expect((await control.next('EXIT')).values).to.include({ code: '4', signal: '0' });
    await container.exited();
    expect(existsSync(join(container.directory, 'control.sock'))).to.equal(false);
  });

  it('lets a new service take the place of one that died', async () => {
    await using container = monitored({ script: 'sleep 100' });
    using old = await container.control();
    await old.next('STARTED');
    using fresh = await container.control();
    expect((await fresh.next('MONITOR')).values).to.include({ state: 'running' });
    await fresh.next('STARTED');
    await old.end();
    const monitor = container.monitorPid!;
    fresh.send('KILL');
    expect((await fresh.next('EXIT')).values).to.include({ code: '137', signal: '9' });
    await container.exited();
    await until(
      () => !alive(monitor) || undefined,
      3000,
      () => 'the monitor is still there',
    );
  });
});
