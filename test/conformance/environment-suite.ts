import assert from 'node:assert/strict';
import type { Environment } from '../../portlayer/plugin/environment.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { deadline } from './bench.js';

/** What an environment's author brings. */
export interface EnvironmentSubject {
  readonly environment: Environment;
  cleanUp(): Promise<void>;
}

/** Puts one environment, and its host where it has one, through what the contracts promise. */
export function environmentSuite(name: string, subject: () => Promise<EnvironmentSubject>): void {
  describe(`environment ${name}`, function () {
    this.timeout(30_000);
    let made: EnvironmentSubject | undefined;
    let directory = '';
    before(async () => {
      made = await subject();
      directory = `${made.environment.host?.stateDirectory ?? ''}/conformance-${Date.now()}`;
    });
    after(async () => {
      await made?.environment.host?.files.remove(directory);
      await made?.environment[Symbol.asyncDispose]();
      await made?.cleanUp();
    });
    const environment = () => (made as EnvironmentSubject).environment;

    it('tells its fingerprint at once', async () => {
      for await (const print of environment().fingerprint(deadline())) {
        assert.deepEqual([print.level, print.name], ['environment', environment().name]);
        return;
      }
      assert.fail('none came');
    });

    describe('host', () => {
      before(async function () {
        if (!environment().host) return this.skip();
        await host().files.makeDirectory(directory, 0o700);
      });
      const host = () => environment().host as Host;
      const path = (below: string) => `${directory}/${below}`;

      it('runs a command with arguments, input and environment as they are, and no others', async () => {
        const script = 'printf "%s|" "$@"; cat; echo "$A|$HOME"; echo bad >&2; exit 3';
        const done = await host().run(['sh', '-c', script, 'sh', 'a b', '$(x)', "'"], {
          input: 'in',
          env: { A: '*' },
        });
        assert.deepEqual(done, { code: 3, stdout: "a b|$(x)|'|in*|\n", stderr: 'bad\n' });
      });

      it('reports a missing command as code 127, and a signal as 128 and its number', async () => {
        assert.equal((await host().run(['/no/such/command'])).code, 127);
        assert.equal((await host().run(['sh', '-c', 'kill -9 $$'])).code, 137);
      });

      it('kills a command when the caller gives up', async () => {
        const began = Date.now();
        await assert.rejects(host().run(['sleep', '100'], { signal: AbortSignal.timeout(100) }));
        assert.ok(Date.now() - began < 5_000);
      });

      it('bounds what it keeps of an output', async () => {
        const { stdout } = await host().run(['head', '-c', '3000000', '/dev/zero']);
        assert.equal(stdout.length, 1024 * 1024);
      });

      it('tells the end of a command whose reader went away', async () => {
        const command = host().spawn(['sh', '-c', 'head -c 1000000 /dev/zero; echo done >&2']);
        command.stdin.end();
        command.stderr.resume();
        await new Promise(resolve => command.stdout.once('data', resolve));
        command.stdout.destroy();
        const late = new Promise(resolve => setTimeout(resolve, 30_000, 'late').unref());
        assert.notEqual(await Promise.race([command.exited, late]), 'late');
      });

      it('writes atomically with the mode that was asked, and reads in pieces', async () => {
        const { files } = host();
        await files.writeAtomic(path('f'), 'hello', 0o640);
        await files.writeAtomic(path('f'), 'hello again', 0o600);
        assert.equal(String(await files.read(path('f'))), 'hello again');
        assert.equal(String(await files.readFrom(path('f'), 6, 100)), 'again');
        assert.equal((await files.readFrom(path('f'), 100, 100)).length, 0);
        assert.equal(await files.size(path('f')), 11);
        assert.deepEqual(
          (await files.list(directory)).map(entry => entry.name),
          ['f'],
          'no temporary is left',
        );
      });

      it('reports what is missing as ENOENT, and does not create what it writes in place', async () => {
        const { files } = host();
        for (const failing of [
          files.read(path('no')),
          files.list(path('no')),
          files.writeInPlace(path('no'), 'x'),
        ]) {
          await assert.rejects(failing, { code: 'ENOENT' });
        }
        assert.equal(await files.exists(path('no')), false);
        await files.remove(path('no'));
      });

      it('removes a tree without following its links', async () => {
        const { files } = host();
        await files.makeDirectory(path('keep'), 0o700);
        await files.writeAtomic(path('keep/f'), 'x', 0o600);
        await host().run([
          'sh',
          '-c',
          'cd "$1" && mkdir -p t/a/b && ln -s ../keep t/link && touch t/a/b/"$(printf "\\377")"',
          'sh',
          directory,
        ]);
        await files.remove(path('t'));
        assert.equal(await files.exists(path('t')), false);
        assert.equal(await files.exists(path('keep/f')), true);
      });

      it('copies a tree so that its digest stays, and sees any change in it', async () => {
        const { files } = host();
        await host().run([
          'sh',
          '-c',
          'cd "$1" && mkdir -p s/d && echo x > s/d/f && ln -s f s/d/l && mkfifo s/p && chmod 751 s/d',
          'sh',
          directory,
        ]);
        await files.copyTree(path('s'), path('c'), 'auto');
        const [a, b] = [await files.digestTree(path('s')), await files.digestTree(path('c'))];
        assert.deepEqual(a, b);
        assert.deepEqual([a.entries, a.bytes], [4, 2]);
        await files.syncTree(path('c'));
        const changes = ['chmod 750 c/d', 'echo y > c/d/f', 'ln -sf g c/d/l', 'mv c/p c/q'];
        const seen = new Set([b.digest]);
        for (const change of changes) {
          await host().run(['sh', '-c', `cd "$1" && ${change}`, 'sh', directory]);
          seen.add((await files.digestTree(path('c'))).digest);
        }
        assert.equal(seen.size, changes.length + 1);
      });

      it('fails to connect where nobody listens', async () => {
        await assert.rejects(host().connect(path('no.sock')));
      });
    });
  });
}
