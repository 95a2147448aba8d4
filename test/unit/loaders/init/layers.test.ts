import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { binary, build, Monitored, type Place, whyNot } from './monitored.js';

describe('layers', function () {
  this.timeout(30_000);
  before(build);

  for (const place of ['root', 'unprivileged'] satisfies Place[]) {
    it(`are stacked, forty with long paths, in the place "${place}"`, async function () {
      const reason = whyNot(place);
      if (reason !== undefined) {
        console.log(`      skipped: ${reason}`);
        this.skip();
      }
      await using container = new Monitored(place);
      const deep = join(container.directory, 'd'.repeat(200), 'e'.repeat(150));
      const lowers = Array.from({ length: 40 }, (_, i) => join(deep, `layer-${i}`));
      const [upper, work, merged] = ['upper', 'work', 'merged'].map(name => join(deep, name)) as [
        string,
        string,
        string,
      ];
      for (const [i, lower] of lowers.entries()) {
        mkdirSync(lower, { recursive: true });
        writeFileSync(join(lower, `f${i}`), `${i}`);
        writeFileSync(join(lower, 'shadowed'), `${i}`);
      }
      for (const path of [upper, work, merged]) mkdirSync(path);
      if (place === 'unprivileged') execFileSync('chown', ['-R', '65534:65534', container.directory]);
      container.start({
        script: 'cd "$M"; ls | wc -l; cat shadowed; echo; rm f3; mkdir new; grep -c overlay /proc/mounts',
        init: ['--overlay', merged, lowers.join(':'), upper, work],
        env: { M: merged },
      });
      expect(await container.exited()).to.include({ code: '0' });
      expect(container.output()).to.match(/^41\n0\n[1-9]\n$/);
      expect(lstatSync(join(upper, 'f3')).isCharacterDevice()).to.equal(true);
    });

    it(`make a container of the host's root, read-only, in the place "${place}"`, async function () {
      const reason = whyNot(place);
      if (reason !== undefined) {
        console.log(`      skipped: ${reason}`);
        this.skip();
      }
      await using container = new Monitored(place);
      const root = join(container.directory, 'root');
      container.start({
        script:
          'hostname; ls /dev | tr "\\n" " "; ls /run/portlayer; touch /usr/x 2>&1; echo ok > /tmp/x && cat /tmp/x; ls /proc | grep -c "^[0-9]"; cat /hello; ls -d "$D" 2>&1; "/run/portlayer/bin/checkpoint" --help | head -1',
        init: [
          '--relay-early',
          container.relay,
          '--relay',
          '/run/portlayer/relay.sock',
          '--socket',
          '/run/portlayer/checkpoint.sock',
          '--hostname',
          'forty-two',
          '--host-root',
          root,
          '--proc',
          `${root}/proc`,
          '--dev',
          `${root}/dev`,
          '--tmpfs',
          `${root}/run`,
          '0755',
          '--tmpfs',
          `${root}/tmp`,
          '1777',
          '--mkdir',
          `${root}/run/portlayer/bin`,
          '--bind',
          join(container.directory, 'relay'),
          `${root}/run/portlayer/link`,
          '--bind',
          container.relay,
          `${root}/run/portlayer/relay.sock`,
          '--bind-ro',
          binary,
          `${root}/run/portlayer/bin/checkpoint`,
          '--symlink',
          '/etc/hostname',
          `${root}/run/name`,
          '--copy-file',
          '/etc/hostname',
          `${root}/hello`,
          '--state-owner',
          `${root}/tmp`,
          '0',
          '0',
          '--pivot',
          root,
        ],
      });
      expect(await container.exited()).to.include({ code: '0', failure: '' });
      const said = container.output();
      expect(said).to.match(/^forty-two\nfd full null/);
      expect(said).to.contain('bin\ncheckpoint.sock\nlink\nrelay.sock\n');
      expect(said).to.contain("touch: cannot touch '/usr/x': Read-only file system\nok\n");
      expect(said).to.contain('usage: checkpoint');
      expect(said).to.match(/No such file or directory/);
    });
  }

  it('tell what mount failed, through the relay where the host has it', async () => {
    const reason = whyNot('root');
    if (reason !== undefined) return;
    await using container = new Monitored('root');
    container.start({
      script: 'true',
      init: ['--relay-early', container.relay, '--relay', '/none', '--bind', '/no/such', '/mnt/x'],
    });
    expect(await container.exited()).to.include({
      code: '125',
      failure: '--bind /no/such /mnt/x: No such file or directory',
    });
  });

  describe('when folded', () => {
    let place: string;
    const path = (...names: string[]) => join(place, ...names);
    const put = (name: string, text: string) => {
      mkdirSync(join(path(name), '..'), { recursive: true });
      writeFileSync(path(name), text);
    };
    const fold = (...words: string[]) =>
      spawnSync(binary, ['fold', ...words.map(word => (word.startsWith('-') ? word : path(word)))], {
        encoding: 'utf8',
      });
    const attribute = (script: string) =>
      execFileSync('python3', ['-c', script], { cwd: place, encoding: 'utf8' }).trim();
    const opaque = (name: string) =>
      attribute(`import os; os.setxattr('${name}', 'user.overlay.opaque', b'y')`);
    const isOpaque = (name: string) =>
      attribute(`import os; print(any('opaque' in x for x in os.listxattr('${name}')))`) === 'True';
    const whiteout = (name: string) => {
      mkdirSync(join(path(name), '..'), { recursive: true });
      execFileSync('mknod', [path(name), 'c', '0', '0']);
    };

    beforeEach(() => {
      place = mkdtempSync(join(tmpdir(), 'portlayer-fold-'));
    });
    afterEach(() => rmSync(place, { recursive: true, force: true }));

    it('share their files, and the newest wins', () => {
      put('a/dir/old', 'a');
      put('a/dir/both', 'a');
      put('b/dir/both', 'b');
      put('b/dir/new', 'b');
      utimesSync(path('b/dir'), 1, 1_000_000_000);
      expect(fold('out', 'a', 'b').status).to.equal(0);
      expect(readdirSync(path('out/dir')).sort()).to.deep.equal(['both', 'new', 'old']);
      expect(readFileSync(path('out/dir/both'), 'utf8')).to.equal('b');
      expect(statSync(path('out/dir/old')).ino).to.equal(statSync(path('a/dir/old')).ino);
      expect(statSync(path('out/dir')).mtimeMs).to.equal(1_000_000_000_000);
    });

    it('keep whiteouts where something lies below, and drop them in the lowest', () => {
      put('a/dir/x', 'a');
      put('a/f', 'a');
      whiteout('b/dir');
      whiteout('b/f');
      expect(fold('out', 'a', 'b').status).to.equal(0);
      expect(['dir', 'f'].map(name => lstatSync(path('out', name)).isCharacterDevice())).to.deep.equal([
        true,
        true,
      ]);
      expect(fold('--base', 'low', 'a', 'b').status).to.equal(0);
      expect(readdirSync(path('low'))).to.deep.equal([]);
    });

    it('let an opaque directory replace what is below it', () => {
      put('a/dir/x', 'a');
      put('b/dir/y', 'b');
      opaque('b/dir');
      expect(fold('out', 'a', 'b').status).to.equal(0);
      expect(readdirSync(path('out/dir'))).to.deep.equal(['y']);
      expect(isOpaque('out/dir')).to.equal(true);
      expect(fold('--base', 'low', 'a', 'b').status).to.equal(0);
      expect([readdirSync(path('low/dir')), isOpaque('low/dir')]).to.deep.equal([['y'], false]);
    });

    it('keep hidden what a directory over a whiteout hides', () => {
      whiteout('a/dir');
      put('b/dir/y', 'b');
      expect(fold('out', 'a', 'b').status).to.equal(0);
      expect(isOpaque('out/dir')).to.equal(true);
    });

    it('show the same through overlayfs, folded or not', function () {
      if (whyNot('root') !== undefined) return this.skip();
      put('base/dir/a', '0');
      put('base/gone/a', '0');
      put('base/f', '0');
      put('one/dir/b', '1');
      whiteout('one/gone');
      put('two/gone/b', '2');
      whiteout('two/f');
      put('two/dir/a', '2');
      expect(fold('folded', 'one', 'two').status).to.equal(0);
      const show = (lowers: string) =>
        execFileSync(
          'unshare',
          [
            '--mount',
            'sh',
            '-c',
            'mount -t overlay o -o "lowerdir=$1" /mnt && cd /mnt && find . -type f | sort | xargs -n1 sh -c \'echo $0 $(cat $0)\'',
            'sh',
            lowers,
          ],
          { cwd: place, encoding: 'utf8' },
        );
      expect(show('folded:base')).to.equal(show('two:one:base'));
      expect(show('folded:base')).to.equal('./dir/a 2\n./dir/b 1\n./gone/b 2\n');
    });

    it('leave nothing when they cannot be', () => {
      put('a/x', 'a');
      const failed = fold('out', 'a', 'missing');
      expect(failed.status).to.equal(1);
      expect(failed.stderr).to.match(
        /^portlayer-init fold: layer .*missing, at .*: No such file or directory\n$/,
      );
      expect(existsSync(path('out'))).to.equal(false);
      expect(fold('a', 'a').status).to.equal(1);
      expect(existsSync(path('a/x'))).to.equal(true);
    });
  });
});
