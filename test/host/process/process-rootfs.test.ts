import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Bench } from '../../conformance/bench.js';
import { rejection } from '../../conformance/rejection.js';
import { processSubject } from './subject.js';

/** A small root file system with a shell and a few commands of this machine, and the libraries they need. */
function makeRootfs(directory: string): void {
  for (const command of ['sh', 'ls', 'cat', 'id', 'hostname', 'touch', 'rm', 'sleep']) {
    const path = execFileSync(
      'readlink',
      ['-f', execFileSync('which', [command], { encoding: 'utf8' }).trim()],
      { encoding: 'utf8' },
    ).trim();
    copy(path, join(directory, 'bin', command));
    const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/[^ )]+/g) ?? [];
    for (const library of libraries) if (existsSync(library)) copy(library, join(directory, library));
  }
  mkdirSync(join(directory, 'etc'));
  writeFileSync(join(directory, 'etc/mark'), 'rootfs\n');
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true });
}

for (const disk of ['overlay', 'copy'] as const) {
  describe(`a container with a root file system, disk ${disk}`, function () {
    this.timeout(30_000);
    let rootfs = '';
    let bench: Bench;
    before(async function () {
      if (process.geteuid?.() !== 0) return this.skip();
      rootfs = mkdtempSync('/var/tmp/pl-rootfs-');
      chmodSync(rootfs, 0o755);
      makeRootfs(rootfs);
      bench = new Bench(await processSubject({ disk }));
      await bench.open();
    });
    afterEach(() => bench?.clear());
    after(async () => {
      await bench?.close();
      if (rootfs !== '') rmSync(rootfs, { recursive: true, force: true });
    });

    it('sees its own root, writes to its own layer, and leaves the root as it was', async () => {
      const { output, exit } = await bench.run(
        'cat /etc/mark; pwd; echo new > /etc/mark; cat /etc/mark; ls /',
        { spec: { rootfs } },
      );
      expect(output).to.match(/^rootfs\n\/\nnew\n/);
      for (const name of ['bin', 'dev', 'proc', 'run', 'state', 'sys'])
        expect(output.split('\n')).to.include(name);
      expect(exit.code).to.equal(0);
      expect(execFileSync('cat', [join(rootfs, 'etc/mark')], { encoding: 'utf8' })).to.equal('rootfs\n');
    });

    it('keeps what was changed and what was removed in the frozen layer', async () => {
      const layer = bench.layer();
      const { uid } = await bench.run('echo new > /etc/two; rm /etc/mark', { spec: { rootfs } });
      await bench.executor.disk.freeze(uid, layer);
      const { output } = await bench.run('ls /etc; cat /etc/two', { spec: { rootfs }, layers: [layer] });
      expect(output).to.equal('two\nnew\n');
    });

    it('runs as another user, who owns the state directory and can ask for a checkpoint', async () => {
      const task = {
        argv: ['sh', '-c', 'id -u; id -g; touch /state/f && ls /state; ls /run/portlayer/checkpoint.sock'],
        user: { uid: 1234, gid: 2345 },
      };
      const { output } = await bench.run('', { spec: { rootfs, task } });
      expect(output).to.equal('1234\n2345\nf\n/run/portlayer/checkpoint.sock\n');
    });

    it('has its host name, and volumes that are read-only where they are to be', async () => {
      const volumes = [
        { source: '/etc/hostname', target: '/vol/name', readOnly: true },
        { source: rootfs, target: '/vol/dir', readOnly: false },
      ];
      const script =
        'hostname; cat /vol/name >/dev/null && echo read; echo x 2>/dev/null > /vol/name || echo refused; cat /vol/dir/etc/mark';
      const { output } = await bench.run(script, { spec: { rootfs, volumes, hostname: 'inside.example' } });
      expect(output).to.equal('inside.example\nread\nrefused\nrootfs\n');
    });

    it('is refused where its root is missing, is a file, or leads out of itself', async () => {
      const check = (path: string) => bench.executor.check(bench.spec('true', { rootfs: path }));
      await rejection(check('/no/such'), 'INVALID_SPEC');
      await rejection(check('/etc/hostname'), 'INVALID_SPEC');
      await rejection(check('/var/../etc'), 'INVALID_SPEC');
      const odd = mkdtempSync('/var/tmp/pl-rootfs-');
      symlinkSync('/etc', join(odd, 'run'));
      await rejection(check(odd), 'INVALID_SPEC').finally(() => rmSync(odd, { recursive: true }));
      const volumes = [{ source: '/no/such', target: '/x' }];
      await rejection(bench.executor.check(bench.spec('true', { rootfs, volumes })), 'INVALID_SPEC');
    });
  });
}
