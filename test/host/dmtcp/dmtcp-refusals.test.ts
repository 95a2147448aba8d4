import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { dmtcpLoader } from '../../../loaders/dmtcp/plugin.js';
import { loaderSuite, mechanismSuite } from '../../conformance/conformance.js';
import { rejection } from '../../conformance/rejection.js';
import { findHere, withHost } from './subject.js';
import { type DmtcpWorld, openDmtcpWorld, openOrSkip } from './world.js';

describe('what cannot run under DMTCP', function () {
  this.timeout(60_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    dmtcp = await openOrSkip(this);
  });
  afterEach(() => dmtcp?.world.clear());
  after(() => dmtcp?.world.close());

  const ended = async (name: string, argv: string[], more: object = {}) => {
    await dmtcp.run(name, argv, { ...more });
    const { code, message } = await dmtcp.end(name);
    return { code, message };
  };

  it('a static program is refused at its start, with what to do', async () => {
    const { code, message } = await ended('one', ['/programs/counter-static']);
    expect(code).to.equal(126);
    expect(message).to.match(
      /^\/programs\/counter-static is statically linked: DMTCP .* use the loader init$/,
    );
  });

  it('so is one that is linked with musl', async function () {
    if (!existsSync('/usr/bin/musl-gcc')) return this.skip();
    const programs = join(dmtcp.world.stateDirectory, 'programs');
    execFileSync('musl-gcc', ['-o', join(programs, 'musl'), join(programs, 'counter.c')]);
    const { code, message } = await ended('one', ['/programs/musl']);
    expect(code).to.equal(126);
    expect(message).to.include('is linked with musl: DMTCP needs glibc');
  });

  it('so is a set-user-id program, a script of a missing interpreter, and what is not there', async () => {
    const programs = join(dmtcp.world.stateDirectory, 'programs');
    copyFileSync('/usr/bin/env', join(programs, 'powerful'));
    chmodSync(join(programs, 'powerful'), 0o4755);
    writeFileSync(join(programs, 'script'), '#!/no/such/thing\n', { mode: 0o755 });
    expect((await ended('one', ['/programs/powerful'])).message).to.include('is set-user-id');
    expect((await ended('two', ['/programs/script'])).message).to.match(/^\/no\/such\/thing is not there/);
    expect((await ended('three', ['nowhere'])).message).to.match(/^nowhere is not there/);
  });

  it('so is any program in a container without glibc', async () => {
    const rootfs = join(dmtcp.world.stateDirectory, 'bare');
    mkdirSync(join(rootfs, 'bin'), { recursive: true });
    copyFileSync('/usr/bin/env', join(rootfs, 'bin/env'));
    const { code, message } = await ended('one', ['env'], { rootfs, volumes: [] });
    expect(code).to.equal(126);
    expect(message).to.include('needs a dynamic linker that the container does not have');
  });

  it('a container that others could reach is refused, and an executor that gives no network of its own', async () => {
    for (const more of [{ network: 'host' }, { executorOptions: { veth: { address: '10.9.8.7/24' } } }]) {
      const error = await rejection(dmtcp.run('one', ['env'], more), 'INVALID_SPEC');
      expect(error.message).to.equal('The loader dmtcp needs a network that nobody else is in.');
    }
    const process = { executor: 'process', rootfs: undefined, network: 'none', volumes: [] };
    const error = await rejection(dmtcp.run('one', ['env'], process), 'CAPABILITY_MISSING');
    expect([error.required, error.remedy]).to.deep.equal([
      'an executor with inside',
      'Choose another executor (container) or another loader.',
    ]);
  });

  it('criu is withheld with the reason', async () => {
    await dmtcp.run('one', ['sleep', '1000']);
    const request = {
      container: 'one',
      mechanism: 'criu',
      labels: {},
      durability: 'captured',
      stopAfter: false,
    } as const;
    const call = dmtcp.world.dispatch.createCheckpoint('', request, () => {}, AbortSignal.timeout(10_000));
    const error = await rejection(call, 'CAPABILITY_MISSING');
    expect(error.found).to.include("a task's connection to its coordinator would be lost");
  });

  it('what DMTCP needs and the container has not is brought, and what it has is its own', async () => {
    // A root file system with glibc alone: DMTCP's libraries are not there.
    const rootfs = join(dmtcp.world.stateDirectory, 'small');
    const copy = (path: string) => {
      mkdirSync(join(rootfs, path, '..'), { recursive: true });
      execFileSync('cp', ['-L', path, join(rootfs, path)]);
    };
    const linked = execFileSync('ldd', ['/usr/bin/sleep'], { encoding: 'utf8' });
    for (const [path] of linked.matchAll(/\/\S+/g)) copy(path);
    for (const path of ['/usr/bin/sleep', '/lib/x86_64-linux-gnu/libm.so.6']) copy(path);
    if (!existsSync(join(rootfs, 'bin'))) symlinkSync('usr/bin', join(rootfs, 'bin'));
    await dmtcp.run('one', ['sleep', '1000'], { rootfs, volumes: [] });
    const { crid } = await dmtcp.checkpoint('one');
    await dmtcp.world.restore(crid, 'two');
    expect((await dmtcp.world.dispatch.getContainer('two')).state).to.equal('running');
  });
});

describe('a host without a DMTCP to use', function () {
  this.timeout(60_000);

  /** A prefix whose programs do what a script says. */
  async function prefixOf(launch: string): Promise<string> {
    const prefix = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    mkdirSync(join(prefix, 'bin'));
    mkdirSync(join(prefix, 'lib/dmtcp'), { recursive: true });
    writeFileSync(join(prefix, 'lib/dmtcp/libdmtcp.so'), '');
    const names = ['launch', 'restart', 'coordinator', 'command', 'nocheckpoint'].map(
      name => `dmtcp_${name}`,
    );
    for (const name of [...names, 'mtcp_restart'])
      writeFileSync(join(prefix, 'bin', name), `#!/bin/sh\n${launch}\n`, { mode: 0o755 });
    return prefix;
  }

  const cases: [string, () => Promise<string>, RegExp][] = [
    ['none at all', async () => '/nowhere', /^there is no \/nowhere\/bin\/dmtcp_launch$/],
    [
      'one of an old version',
      () => prefixOf('echo "dmtcp_launch (DMTCP) 2.6.0"'),
      /^DMTCP 2\.6\.0 is too old: 3\.0 is needed$/,
    ],
    ['one that does not run', () => prefixOf('echo broken >&2; exit 1'), /does not run: broken$/],
    [
      'one that starts no program',
      () => prefixOf('case "$*" in *--version*) echo "(DMTCP) 5.0";; *) echo "no room" >&2; exit 99;; esac'),
      /^a program does not run under it: no room$/,
    ],
  ];
  for (const [what, prefix, reason] of cases) {
    it(`${what}: the fingerprint says why, and what to do`, async () => {
      const path = await prefix();
      const found = await findHere(path);
      if (found.bin !== undefined) throw new Error('it was taken for usable');
      expect(found.reason).to.match(reason);
      await withHost(async host => {
        const loader = dmtcpLoader.create({ prefix: path });
        const print = await loader.fingerprint(host, AbortSignal.timeout(10_000));
        expect([print.health, print.findings[0]?.removes]).to.deep.equal([
          'unusable',
          ['run', 'trigger', 'checkpoint:dmtcp'],
        ]);
        expect(print.findings[0]?.remedy).to.include('Install DMTCP 3 or newer');
      });
      if (path !== '/nowhere') execFileSync('rm', ['-r', path]);
    });
  }

  it('nothing is created there: the call says why', async function () {
    if (process.geteuid?.() !== 0) return this.skip();
    const { world, run } = await openDmtcpWorld({ prefix: '/nowhere' });
    try {
      const error = await rejection(run('one', ['true']), 'EXECUTOR_UNAVAILABLE');
      expect(error.found).to.equal('there is no /nowhere/bin/dmtcp_launch');
    } finally {
      await world.close();
    }
  });
});

describe('the loader dmtcp against its contract', function () {
  this.timeout(60_000);
  before(async function () {
    const found = await findHere();
    if (found.bin !== undefined) return;
    console.log(`      skipped: DMTCP: ${found.reason}`);
    this.skip();
  });
  loaderSuite('dmtcp', () => withHost(async host => ({ loader: dmtcpLoader.create({}), host })));
  mechanismSuite('dmtcp', async () => {
    const { checkpoint } = dmtcpLoader.create({});
    if (!checkpoint) throw new Error('it has no mechanism');
    return checkpoint;
  });
});
