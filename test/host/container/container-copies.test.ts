import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { buildPrograms } from './programs.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const counter = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'];
const veth = { address: '10.213.77.2/24', hostAddress: '10.213.77.1/24' };

describe('copies, and pauses', function () {
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

  const identity = (name: string) => world.exec(name, 'hostname; cat /etc/hostname /etc/machine-id');
  const count = async (name: string) => (await world.output(name)).length;

  it('have a host name, a machine id and a generation of their own, and the original keeps its', async () => {
    await world.run('one', counter, { hostname: 'first' });
    await world.said('one', /^3$/);
    const before = await identity('one');
    expect(before).to.match(/^first\nfirst\n[0-9a-f]{32}\n$/);
    const names = await world.fork({ container: 'one' }, 3, 'copy');
    const all = await Promise.all(['one', ...names].map(identity));
    expect(all[0]).to.equal(before);
    expect(new Set(all.map(text => text.split('\n')[2])).size, 'machine ids').to.equal(4);
    expect(all.slice(1).map(text => text.split('\n')[0])).to.deep.equal(names);
  });

  it('have their own host name from their first instruction on', async () => {
    const program =
      'import socket, time\nwhile True: print(socket.gethostname(), flush=True); time.sleep(0.001)';
    await world.run('one', ['python3', '-c', program], { hostname: 'first' });
    await world.said('one', /^first$/);
    const { crid } = await world.checkpoint('one');
    for (const name of ['two', 'three', 'four']) {
      await world.restore(crid, name);
      await world.said(name, /./);
      expect(new Set(await world.output(name))).to.deep.equal(new Set([name]));
    }
  });

  it('keep the identity where that is asked', async () => {
    await world.run('one', counter, { hostname: 'first', executorOptions: { keepIdentity: true } });
    await world.said('one', /^3$/);
    const { crid } = await world.checkpoint('one');
    await world.restore(crid, 'two');
    expect(await identity('two')).to.equal(await identity('one'));
  });

  it('share no cgroup, and are paused and stopped each for itself', async () => {
    await world.run('one', counter);
    await world.said('one', /^3$/);
    const [copy = ''] = await world.fork({ container: 'one' }, 1, 'copy');
    await world.dispatch.bindContainer('', copy, { cpus: 0 });
    await sleep(150);
    const [still, moving] = [await count(copy), await count('one')];
    await sleep(250);
    expect(await count(copy)).to.equal(still);
    expect(await count('one')).to.be.greaterThan(moving);
    await world.dispatch.removeContainer('', copy, true);
    await sleep(150);
    expect(await count('one')).to.be.greaterThan(moving + 1);
  });

  it('are limited as the original was', async () => {
    await world.run('one', counter, { resources: { memoryBytes: 64 << 20, pids: 40, cpus: 0.5 } });
    await world.said('one', /^3$/);
    const [copy = ''] = await world.fork({ container: 'one' }, 1, 'copy');
    const { uid } = await world.dispatch.getContainer(copy);
    const found = execFileSync(
      'sh',
      ['-c', `cat $(find /sys/fs/cgroup -path "*/portlayer/${uid}/pids.max")`],
      { encoding: 'utf8' },
    );
    expect(found.trim()).to.equal('40');
  });

  it('do not see each other’s writes, and see what was written and removed before', async () => {
    const script =
      'cd /state; echo keep > a; echo gone > b; rm b; mkdir d; echo in > d/f; echo ready; while :; do [ -e go ] && echo went; sleep 0.05; done';
    await world.run('one', ['sh', '-c', script]);
    await world.said('one', /ready/);
    const first = await world.checkpoint('one');
    await world.exec('one', 'cd /state; rm -r d; echo later > c');
    const second = await world.checkpoint('one');
    await world.restore(first.crid, 'early');
    await world.restore(second.crid, 'late');
    await world.exec('early', 'echo mine > /state/go');
    const list = (name: string) => world.exec(name, 'cd /state; ls | tr "\\n" " "');
    expect(await list('early')).to.equal('a d go ');
    expect(await list('late')).to.equal('a c ');
    expect(await list('one')).to.equal('a c ');
    await world.said('early', /went/);
  });

  it('a container that is started again after checkpoints has its own files, not those that were frozen', async () => {
    await world.run('one', [
      'sh',
      '-c',
      'cd /state; if [ -e made ]; then ls | tr "\\n" " "; else touch made tmp; fi; echo ready; sleep 1000',
    ]);
    await world.said('one', /ready/);
    await world.checkpoint('one');
    await world.exec('one', 'rm /state/tmp');
    await world.dispatch.stopContainer('', 'one', 0);
    await world.dispatch.startContainer('', 'one');
    expect(await world.said('one', /^made/)).to.equal('made ready');
  });

  it('a paused container is checkpointed and stays paused; its copy runs', async () => {
    await world.run('one', counter);
    await world.said('one', /^3$/);
    await world.dispatch.bindContainer('', 'one', { cpus: 0 });
    await sleep(150);
    const still = await count('one');
    const { crid } = await world.checkpoint('one');
    await world.restore(crid, 'copy');
    await world.said('copy', /\d/);
    expect(await count('one')).to.equal(still);
    expect((await world.dispatch.getContainer('one')).state).to.equal('paused');
    await world.dispatch.bindContainer('', 'one', {});
    await sleep(200);
    expect(await count('one')).to.be.greaterThan(still);
  });

  it('goes back in place to its checkpoint, with the files of that moment', async () => {
    await world.run('one', [
      'sh',
      '-c',
      'echo a > /state/f; i=0; while :; do i=$((i+1)); echo $i $(cat /state/f); sleep 0.05; done',
    ]);
    await world.said('one', /^3 a$/);
    const { crid } = await world.checkpoint('one', { committed: true });
    await world.exec('one', 'echo b > /state/f');
    await world.said('one', / b$/);
    await world.dispatch.stopContainer('', 'one', 0);
    const length = await count('one');
    const request = { checkpoint: crid, inPlace: true, labels: {} };
    await world.dispatch.restoreCheckpoint('', request, AbortSignal.timeout(20_000));
    await sleep(200);
    const after = (await world.output('one')).slice(length);
    expect(after[0]).to.match(/^\d+ a$/);
    expect(Number(after[0]?.split(' ')[0])).to.be.lessThan(length);
  });

  it('restores memory as it is touched, where that is asked', async () => {
    const program =
      'import time\\nkept = bytes(range(256)) * 200000\\ni = 0\\nwhile True:\\n i += 1; print(i, sum(kept[:: 4096]) + kept[-1], flush=True); time.sleep(0.05)';
    const argv = ['python3', '-c', program.replaceAll('\\n', '\n')];
    await world.run('one', argv, { executorOptions: { lazyRestore: true } });
    const line = await world.said('one', /^3 /);
    const { crid } = await world.checkpoint('one');
    await world.restore(crid, 'copy');
    const later = await world.said('copy', /^\d+ /);
    expect(later.split(' ')[1]).to.equal(line.split(' ')[1]);
    await sleep(300);
    expect(await count('copy')).to.be.greaterThan(3);
  });

  it('an address of its own is reached from the host, and each copy has another', async () => {
    const argv = ['python3', '/programs/requests.py'];
    await world.run('one', argv, { volumes, executorOptions: { veth } });
    await world.said('one', /listening/);
    expect(await ask('10.213.77.2')).to.equal('1');
    const copies = await world.fork({ container: 'one' }, 2, 'copy');
    for (const [i, name] of copies.entries()) {
      const address =
        /inet (10\.213\.77\.\d+)/.exec(await world.exec(name, 'ip -4 addr show eth0'))?.[1] ?? '';
      expect(['10.213.77.3', '10.213.77.4'], `${i}`).to.include(address);
      expect(await ask(address)).to.equal('2');
    }
    expect(await ask('10.213.77.2')).to.equal('2');
  });

  it('an established connection is kept where that is asked, and goes on after a restore in place', async () => {
    const server =
      'import socket\ns = socket.create_server(("127.0.0.1", 9999))\nc, _ = s.accept()\nprint("accepted", flush=True)\nn = 0\nwhile c.recv(1):\n n += 1; print("got", n, flush=True); c.sendall(b"x")\nprint("closed", flush=True)';
    const client = `import socket, time\nc = socket.create_connection(("127.0.0.1", 9999))\nn = 0\nwhile True:\n c.sendall(b"y"); assert c.recv(1); n += 1; print("round", n, flush=True); time.sleep(0.05)`;
    const both = `python3 -c '${server}' & sleep 0.5; exec python3 -c '${client}'`;
    await world.run('pair', ['sh', '-c', both], { executorOptions: { tcpEstablished: true } });
    await world.said('pair', /^round 5$/);
    const { crid } = await world.checkpoint('pair', { stopAfter: true });
    const before = (await world.output('pair')).length;
    await world.restore(crid, 'copy');
    await sleep(500);
    const rounds = (await world.output('copy')).filter(line => line.startsWith('round'));
    expect(rounds.length).to.be.greaterThan(2);
    expect(Number(rounds[0]?.split(' ')[1])).to.be.within(5, before);
  });
});

/** What the counting server answers at an address. */
function ask(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: 8888, timeout: 3_000 });
    let text = '';
    socket.on('data', chunk => (text += String(chunk)));
    socket.on('close', () => resolve(text.trim()));
    socket.on('timeout', () => reject(new Error('no answer')));
    socket.on('error', reject);
  });
}
