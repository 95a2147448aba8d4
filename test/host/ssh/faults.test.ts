import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSshEnvironment } from '../../../portlayer/environments/ssh/ssh-environment.js';
import type { SshConfig } from '../../../portlayer/environments/ssh/ssh-options.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { initBinary } from '../process/subject.js';
import { type RemoteEnvironment, remoteEnvironment } from './remote-environment.js';
import { freePort, whyNoSshd } from './sshd.js';

describe('a remote host', function () {
  this.timeout(120_000);
  let there: RemoteEnvironment;
  const opened: AsyncDisposable[] = [];
  before(async function () {
    const reason = whyNoSshd();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    there = await remoteEnvironment();
  });
  afterEach(async () => {
    for (const environment of opened.splice(0)) await environment[Symbol.asyncDispose]();
  });
  after(() => there?.cleanUp());

  function open(config: Partial<SshConfig>, owner = 'another', directory = `state-${opened.length}`): Host {
    const environment = createSshEnvironment({
      name: 'there',
      config: { ...there.sshd.config, stateDirectory: `${there.sshd.directory}/${directory}`, ...config },
      initBinary,
      owner,
      log: () => {},
    });
    opened.push(environment);
    return environment.host as Host;
  }
  async function refused(host: Host): Promise<PortLayerError> {
    const caught = await host.files.exists('/').catch((error: unknown) => error);
    if (!(caught instanceof PortLayerError)) throw new Error(`it was ${String(caught)}`);
    assert.equal(caught.code, 'EXECUTOR_UNAVAILABLE');
    assert.ok(caught.remedy);
    return caught;
  }

  it('is not reached with a key that it does not know', async () => {
    const key = `${there.sshd.directory}/stranger`;
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const error = await refused(open({ identityFiles: [key] }));
    assert.equal(error.facts.reason, 'authentication');
    assert.equal((await refused(open({ identityFiles: ['/no/such/key'] }))).facts.reason, 'key');
  });

  it('is not trusted with a changed key, nor with an unknown one unless told', async () => {
    const { directory, port } = there.sshd;
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${directory}/other`]);
    const other = execFileSync('cut', ['-d', ' ', '-f', '1,2', `${directory}/other.pub`], {
      encoding: 'utf8',
    });
    writeFileSync(`${directory}/changed`, `[127.0.0.1]:${port} ${other}`);
    writeFileSync(`${directory}/empty`, '');
    const changed = await refused(open({ knownHosts: `${directory}/changed`, trustUnknown: true }));
    assert.match(changed.message, /has changed/);
    assert.match((await refused(open({ knownHosts: `${directory}/empty` }))).message, /is not known/);
    const told = open({ knownHosts: `${directory}/empty`, trustUnknown: true });
    assert.equal(await told.files.exists('/'), true);
  });

  it('is held to a pinned key', async () => {
    const { directory } = there.sshd;
    const shown = execFileSync('ssh-keygen', ['-lf', `${directory}/host.pub`], { encoding: 'utf8' }).split(
      ' ',
    )[1];
    const good = open({ hostKey: shown as string, knownHosts: '/dev/null' });
    assert.equal(await good.files.exists('/'), true);
    const bad = await refused(open({ hostKey: `SHA256:${'A'.repeat(43)}` }));
    assert.match(bad.message, /pinned/);
  });

  it('that is not there is said to be so within its patience', async () => {
    const error = await refused(open({ port: await freePort(), patienceMs: 500 }));
    assert.equal(error.facts.reason, 'unreachable');
  });

  it('is reached through another, and by a name of ssh_config(5)', async () => {
    const { directory, port, config } = there.sshd;
    const jump = [{ ...config }];
    assert.equal(await open({ jump }).files.exists('/'), true);
    const file = `${directory}/ssh_config`;
    writeFileSync(
      file,
      [
        'Host far',
        '  HostName 127.0.0.1',
        `  Port ${port}`,
        '  User root',
        `  IdentityFile ${directory}/user`,
        `  UserKnownHostsFile ${directory}/known_hosts`,
        '',
      ].join('\n'),
    );
    const environment = createSshEnvironment({
      name: 'far',
      config: { host: 'far', configFile: file, agent: false, stateDirectory: `${directory}/state-far` },
      initBinary,
      owner: 'another',
      log: () => {},
    });
    opened.push(environment);
    assert.equal(await environment.host?.files.exists('/'), true);
  });

  it('is leased to one service; the same one takes it over, and what it had begun is ended', async () => {
    const mine = open({}, 'service-a', 'shared');
    await mine.files.exists('/');
    const error = await refused(open({ patienceMs: 500 }, 'service-b', 'shared'));
    assert.equal(error.facts.reason, 'lease');
    assert.match(error.found ?? '', /service-a/);
    const began = mine.spawn(['sleep', '4321']);
    while (running('sleep 4321') === 0) await sleep(20);
    const again = open({}, 'service-a', 'shared');
    assert.equal(await again.files.exists('/'), true);
    assert.ok((await began.exited).cut);
    for (const until = Date.now() + 30_000; running('sleep 4321') > 0; await sleep(20))
      assert.ok(Date.now() < until, 'the command lives on');
  });

  it('ends a command whose caller has given up, at once and for good', async () => {
    const limit = new AbortController();
    const done = there.host.run(['sleep', '5432'], { signal: limit.signal });
    while (running('sleep 5432') === 0) await sleep(20);
    limit.abort(new Error('given up'));
    await assert.rejects(done, /given up/);
    for (const until = Date.now() + 30_000; running('sleep 5432') > 0; await sleep(20))
      assert.ok(Date.now() < until, 'the command lives on');
  });

  it('with a full disk says ENOSPC, and keeps the file that was there', async () => {
    const small = `${there.sshd.directory}/small`;
    execFileSync('mkdir', [small]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);
    try {
      await there.host.files.writeAtomic(`${small}/f`, 'before', 0o600);
      await assert.rejects(there.host.files.writeAtomic(`${small}/f`, Buffer.alloc(16 << 20, 1), 0o600), {
        code: 'ENOSPC',
      });
      assert.equal(String(await there.host.files.read(`${small}/f`)), 'before');
      assert.deepEqual(
        (await there.host.files.list(small)).map(({ name }) => name),
        ['f'],
      );
    } finally {
      execFileSync('umount', ['-l', small]);
    }
  });

  it('whose connection is cut is asked again where asking twice is harmless, and told of otherwise', async () => {
    const path = `${there.stateDirectory}/kept`;
    await there.host.files.writeAtomic(path, 'kept', 0o600);
    const began = there.host.run(['sleep', '6543']);
    began.catch(() => {});
    while (running('sleep 6543') === 0) await sleep(20);
    there.sshd.cut();
    assert.equal(String(await there.host.files.read(path)), 'kept');
    await assert.rejects(began, { code: 'EXECUTOR_UNAVAILABLE' });
    assert.equal((await there.host.run(['true'])).code, 0);
  });
});

/** How many processes have exactly this command line. */
function running(command: string): number {
  try {
    return execFileSync('pgrep', ['-fxc', command], { encoding: 'utf8' }).trim() === '0' ? 0 : 1;
  } catch {
    return 0;
  }
}
