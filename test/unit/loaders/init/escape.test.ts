import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import { binary, build, initSource, monitored, whyNot } from './monitored.js';

describe('the init as a program', () => {
  before(build);

  it("cannot be written to by a task whose command is the init's own file", async function () {
    if (whyNot('root') !== undefined) return this.skip();
    await using container = monitored({
      place: 'root',
      script: '',
      init: ['--drop-capabilities'],
      argv: ['/proc/self/exe', 'init', '--', 'sh', '-c', 'chmod 0755 /proc/$PPID/exe && echo changed'],
    });
    await container.exited();
    expect(container.output()).to.match(/: Read-only file system\n$/);
  });
});

/** A task of an earlier run may have put links anywhere below the root; `host` is what it would like to reach. */
for (const kernel of ['with openat2', 'without openat2'] as const) {
  describe(`the set-up below a hostile root, on a kernel ${kernel}`, function () {
    this.timeout(60_000);
    let place = '';
    let init = binary;
    let built = '';
    const root = () => join(place, 'root');
    const host = () => join(place, 'host');
    const inside = (path: string) => `${root()}${path}`;

    before(function () {
      if (whyNot('root') !== undefined) return this.skip();
      build();
      if (kernel === 'with openat2') return;
      built = mkdtempSync(join(tmpdir(), 'portlayer-build-'));
      const env = { ...process.env, CC: 'cc -DPORTLAYER_NO_OPENAT2' };
      execFileSync('sh', [join(initSource, 'build.sh'), built], { env });
      init = join(built, 'portlayer-init');
    });
    after(() => {
      if (built !== '') rmSync(built, { recursive: true, force: true });
    });
    beforeEach(() => {
      place = realpathSync(mkdtempSync(join(tmpdir(), 'portlayer-escape-')));
      for (const path of [root(), host(), join(place, 'volume')]) mkdirSync(path);
      writeFileSync(join(place, 'volume/mark'), 'volume\n');
      writeFileSync(join(place, 'file'), 'copied\n');
    });
    afterEach(() => rmSync(place, { recursive: true, force: true }));

    /** Set-up operations, then a command in the new root. */
    function stage(
      operations: readonly string[],
      command: readonly string[] = ['/init', 'version'],
    ): SpawnSyncReturns<string> {
      const own = ['--bind', root(), root(), ...operations, '--bind-ro', init, inside('/init')];
      const argv = [...own, '--pivot', root(), '--', ...command];
      return spawnSync(init, ['stage', ...argv], { encoding: 'utf8', timeout: 20_000 });
    }

    const operations = (path: string): Record<string, readonly string[]> => ({
      mkdir: ['--mkdir', inside(`${path}/made/deep`)],
      bind: ['--bind', join(place, 'volume'), inside(`${path}/made/deep`)],
      'bind of a file': ['--bind-ro', join(place, 'file'), inside(`${path}/made/file`)],
      tmpfs: ['--tmpfs', inside(`${path}/made`), '0755'],
      proc: ['--proc', inside(`${path}/made`)],
      dev: ['--dev', inside(`${path}/made`)],
      'copy-file': ['--copy-file', join(place, 'file'), inside(`${path}/made`)],
      symlink: ['--symlink', '/aim', inside(`${path}/made`)],
    });

    for (const name of Object.keys(operations(''))) {
      it(`makes nothing on the host by ${name} where a parent is a link to one of its directories`, () => {
        symlinkSync(host(), inside('/vol'));
        const done = stage(operations('/vol')[name] ?? []);
        expect(readdirSync(host())).to.deep.equal([]);
        expect(done.status).to.equal(125);
        expect(done.stderr).to.match(/: (Too many levels of symbolic links|No such file or directory)\n$/);
      });

      it(`makes nothing on the host by ${name} where a parent is a link with .. in it`, () => {
        mkdirSync(inside('/a/b'), { recursive: true });
        symlinkSync(`${'../'.repeat(20)}${relative('/', host())}`, inside('/a/b/vol'));
        symlinkSync('a/b/vol', inside('/vol'));
        expect(stage(operations('/vol')[name] ?? []).status).to.equal(125);
        expect(readdirSync(host())).to.deep.equal([]);
      });

      it(`does ${name} below parents that are missing, or are there`, () => {
        if (['copy-file', 'symlink'].includes(name)) mkdirSync(inside('/x/y'), { recursive: true });
        const done = stage(operations('/x/y')[name] ?? []);
        expect([done.status, done.stderr]).to.deep.equal([0, '']);
        expect(existsSync(inside('/x/y/made')) || lstatSync(inside('/x/y/made')).isSymbolicLink()).to.equal(
          true,
        );
        if (name !== 'symlink') expect(stage(operations('/x/y')[name] ?? []).status).to.equal(0);
      });
    }

    it('gives nothing of the host to the task', () => {
      writeFileSync(join(host(), 'shadow'), '');
      chownSync(join(host(), 'shadow'), 0, 0);
      symlinkSync(host(), inside('/vol'));
      expect(stage(['--state-owner', inside('/vol/shadow'), '1234', '1234']).status).to.equal(125);
      symlinkSync(join(host(), 'shadow'), inside('/last'));
      expect(stage(['--state-owner', inside('/last'), '1234', '1234']).status).to.equal(0);
      expect(statSync(join(host(), 'shadow')).uid).to.equal(0);
      expect(lstatSync(inside('/last')).uid).to.equal(1234);
    });

    it('makes nothing on the host where the target itself is a link', () => {
      symlinkSync(join(host(), 'new'), inside('/new'));
      for (const operation of [
        ['--bind', join(place, 'volume'), inside('/new')],
        ['--bind-ro', join(place, 'file'), inside('/new')],
        ['--copy-file', join(place, 'file'), inside('/new')],
        ['--mkdir', inside('/new')],
      ])
        expect(stage(operation).status).to.equal(125);
      expect(readdirSync(host())).to.deep.equal([]);
    });

    it('shows a volume where the task would find it', function () {
      if (kernel === 'without openat2') return this.skip();
      mkdirSync(inside('/real'));
      symlinkSync('/real', inside('/vol'));
      const volume = join(place, 'volume');
      const done = stage(
        ['--bind', volume, inside('/vol/here'), '--copy-file', join(place, 'file'), inside('/vol/here/seen')],
        ['/init', 'version'],
      );
      expect(done.status).to.equal(0);
      expect(readdirSync(inside('/real'))).to.deep.equal(['here']);
      expect(readFileSync(join(volume, 'seen'), 'utf8')).to.equal('copied\n');
    });

    it('writes through no pipe and no device that lies where a file is to be', () => {
      execFileSync('mkfifo', [inside('/pipe')]);
      execFileSync('mknod', [inside('/device'), 'c', '1', '3']);
      for (const name of ['/pipe', '/device'])
        expect(stage(['--copy-file', join(place, 'file'), inside(name)]).status).to.equal(125);
      writeFileSync(inside('/plain'), 'older and longer\n');
      expect(stage(['--copy-file', join(place, 'file'), inside('/plain')]).status).to.equal(0);
      expect(readFileSync(inside('/plain'), 'utf8')).to.equal('copied\n');
    });

    it('is not misled by a directory that became a link between two starts', () => {
      const start = () => stage(['--bind', join(place, 'volume'), inside('/srv/data/here')]).status;
      expect(start()).to.equal(0);
      rmdirSync(inside('/srv/data/here'));
      rmdirSync(inside('/srv/data'));
      symlinkSync(host(), inside('/srv/data'));
      expect(start()).to.equal(125);
      expect(readdirSync(host())).to.deep.equal([]);
    });

    it('is not misled by a directory that becomes a link while it starts', async () => {
      mkdirSync(inside('/srv'));
      mkdirSync(join(place, 'spare'));
      symlinkSync(host(), join(place, 'link'));
      renameSync(join(place, 'spare'), inside('/srv/data'));
      const swap = `import os,ctypes
libc=ctypes.CDLL(None)
print('up',flush=True)
while True: libc.renameat2(-100,b'${join(place, 'link')}',-100,b'${inside('/srv/data')}',2)`;
      const racer = spawn('python3', ['-c', swap], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await new Promise(resolve => racer.stdout.once('data', resolve));
        for (let i = 0; i < 150; i++)
          stage([
            '--mkdir',
            inside(`/srv/data/${i}/x`),
            '--bind',
            join(place, 'file'),
            inside(`/srv/data/f${i}`),
          ]);
      } finally {
        racer.kill('SIGKILL');
      }
      expect(readdirSync(host())).to.deep.equal([]);
    });

    it('resolves in a root that it does not pivot to, where it is told so', () => {
      symlinkSync(host(), inside('/vol'));
      const run = (...argv: string[]) =>
        spawnSync(init, ['stage', ...argv, '--', init, 'version'], { encoding: 'utf8' });
      expect(run('--root', root(), '--mkdir', inside('/vol/made')).status).to.equal(125);
      expect(run('--root', root(), '--mkdir', inside('/other/made')).status).to.equal(0);
      expect(readdirSync(host())).to.deep.equal([]);
    });
  });
}
