import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { newUlid } from '../../../portlayer/model/ids.js';
import { Bench, collect, deadline } from '../../conformance/bench.js';
import { processSubject } from './subject.js';

const tool = '/run/portlayer/bin/checkpoint'; // Static: the host's loader of libraries has nothing to do with it.
const secret = 'the-word-of-the-task';

describe('what a task says or leaves behind, with the executor process', function () {
  this.timeout(30_000);
  let bench: Bench;
  before(async function () {
    bench = new Bench(await processSubject({}));
    await bench.open();
    if (!bench.executor.exec) this.skip();
  });
  afterEach(() => bench.clear());
  after(() => bench.close());

  it('has no say in the programs of the host that start it', async () => {
    const env = { LD_PRELOAD: '/no/such.so', PATH: '/nowhere', LD_DEBUG: 'libs', SECRET: secret };
    const { output, exit } = await bench.run('', { spec: { task: { argv: [tool, '--help'], env } } });
    expect([exit.code, /ld\.so|libc|calling init/.test(output)]).to.deep.equal([0, false]);
  });

  it('has no say in the programs of the host that start a command beside it', async () => {
    const uid = await bench.start('echo ready; while :; do sleep 0.1; done');
    await bench.said(uid, /ready/);
    const env = { LD_PRELOAD: '/no/such.so', PATH: '/nowhere', LD_DEBUG: 'libs' };
    const session = await bench.executor.exec?.exec(uid, { argv: [tool, '--help'], env }, deadline());
    if (!session) throw new Error('no exec');
    session.stdin.end();
    const [out, err] = await Promise.all([collect(session.stdout), collect(session.stderr)]);
    expect(Buffer.concat(err).toString()).to.equal('');
    expect(Buffer.concat(out).toString()).to.match(/usage: checkpoint/);
  });

  it('stands in no command line, which every user of the host can read', async () => {
    const uid = await bench.start('echo "$SECRET"; while :; do sleep 0.1; done', { env: { SECRET: secret } });
    await bench.said(uid, new RegExp(secret));
    const script = 'echo $SECRET; sleep 5';
    const session = await bench.executor.exec?.exec(
      uid,
      { argv: ['sh', '-c', script], env: { SECRET: secret } },
      deadline(),
    );
    for await (const chunk of session?.stdout ?? []) if (String(chunk).includes(secret)) break;
    const lines = readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(pid => (existsSync(`/proc/${pid}/cmdline`) ? read(`/proc/${pid}/cmdline`) : ''));
    expect(lines.filter(line => line.includes(secret))).to.deep.equal([]);
  });

  it('ends with its caller, where it is a command beside the task', async () => {
    const uid = await bench.start('echo ready; while :; do sleep 0.1; done');
    await bench.said(uid, /ready/);
    const caller = new AbortController();
    const argv = ['sh', '-c', 'echo begun; exec sleep 4321'];
    const session = await bench.executor.exec?.exec(uid, { argv, env: {} }, caller.signal);
    if (!session) throw new Error('no exec');
    for await (const chunk of session.stdout) if (String(chunk).includes('begun')) break;
    caller.abort();
    await session.exited;
    await new Promise(resolve => setTimeout(resolve, 100));
    const left = readdirSync('/proc').filter(
      name => /^\d+$/.test(name) && read(`/proc/${name}/cmdline`).includes('4321'),
    );
    expect(left).to.deep.equal([]);
  });

  it('leaves a command beside the task no more rights than the task has', async () => {
    const uid = await bench.start('grep CapEff /proc/self/status; while :; do sleep 0.1; done');
    const own = await bench.said(uid, /CapEff/);
    const argv = ['grep', '-E', 'CapEff|NoNewPrivs', '/proc/self/status'];
    const session = await bench.executor.exec?.exec(uid, { argv, env: {} }, deadline());
    if (!session) throw new Error('no exec');
    session.stdin.end();
    expect(Buffer.concat(await collect(session.stdout)).toString()).to.equal(`${own}\nNoNewPrivs:\t1\n`);
  });

  it('can use the loopback of a network of its own', async () => {
    const script =
      'cat /proc/net/if_inet6 /proc/net/fib_trie | grep -cE "00000000000000000000000000000001|127.0.0.1"';
    const { output } = await bench.run(script, { spec: { network: 'none' } });
    expect(Number(output)).to.be.greaterThan(0);
  });

  it('is told as killed where its init was killed from outside', async () => {
    const uid = await bench.start('echo ready; while :; do sleep 0.1; done');
    await bench.said(uid, /ready/);
    const inits = readdirSync('/proc').filter(name => {
      const argv = /^\d+$/.test(name) ? read(`/proc/${name}/cmdline`).split('\0') : [];
      return argv[1] === 'init' && argv.some(word => word.includes(`/${uid}/relay/relay.sock`));
    });
    expect(inits.length).to.equal(1);
    process.kill(Number(inits[0]), 'SIGKILL');
    const exit = await bench.wait(uid);
    expect([exit.code, exit.signal, exit.oomKilled]).to.deep.equal([137, 9, false]);
  });

  it('leads no later start out of its root by links in the writable layer', async function () {
    if (process.geteuid?.() !== 0) return this.skip();
    const rootfs = mkdtempSync('/var/tmp/pl-rootfs-');
    const outside = mkdtempSync('/var/tmp/pl-outside-');
    try {
      chmodSync(rootfs, 0o755);
      for (const name of ['usr', 'srv']) mkdirSync(join(rootfs, name));
      for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(rootfs, name));
      const usr = { source: '/usr', target: '/usr', readOnly: true };
      const uid = newUlid();
      const first = await bench.run(`ln -s ${outside} /srv/link && echo made`, {
        spec: { rootfs, volumes: [usr] },
        uid,
      });
      expect(first.output).to.equal('made\n');
      const volume = { source: '/usr', target: '/srv/link/here', readOnly: true };
      const { exit } = await bench.run('true', { spec: { rootfs, volumes: [usr, volume] }, uid });
      expect(readdirSync(outside)).to.deep.equal([]);
      expect([exit.code, exit.failure?.slice(0, 9)]).to.deep.equal([125, '--bind-ro']);
    } finally {
      await bench.clear();
      for (const path of [rootfs, outside]) rmSync(path, { recursive: true, force: true });
    }
  });
});

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It has ended meanwhile.
  }
}
