import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../portlayer/package-root.js';
import { initBinary, whyNot } from './subject.js';

const nobody = 65534;
const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];

describe('the executor container without root', function () {
  this.timeout(400_000);
  let directory = '';
  before(function () {
    const reason = whyNot() ?? whyNotUser();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    directory = mkdtempSync('/var/tmp/pl-nobody-');
    chownSync(directory, nobody, nobody);
    chmodSync(directory, 0o700);
    // The project may lie below a directory that only root enters for writing; the binary is copied to be sure.
    copyFileSync(initBinary, join(directory, 'portlayer-init'));
    chmodSync(join(directory, 'portlayer-init'), 0o755);
  });
  after(() => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  it('passes the conformance suite: run, wait, logs, exec, stop, disk', async () => {
    const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin/mocha.js');
    const { code, output } = await asNobody([
      mocha,
      ownFile('container-conformance.test'),
      '--reporter',
      'dot',
    ]);
    assert.equal(code, 0, output);
    assert.match(output, /\d{2,} passing/);
  });

  it('runs a loop by exit code to its end, restores from it, and says what it cannot do', async () => {
    const { code, output } = await asNobody(['--import', 'tsx', ownFile('rootless-loop')]);
    assert.equal(code, 0, output);
    assert.match(output, /all as it should be/);
  });

  function asNobody(argv: readonly string[]): Promise<{ code: number | null; output: string }> {
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      TMPDIR: directory,
      PORTLAYER_INIT: join(directory, 'portlayer-init'),
      PORTLAYER_TEST_ROOTLESS: '1',
    };
    const child = spawn('setpriv', [...user, process.execPath, ...argv], { cwd: packageRoot(), env });
    let output = '';
    child.stdout.on('data', chunk => (output += String(chunk)));
    child.stderr.on('data', chunk => (output += String(chunk)));
    return new Promise(resolve => child.on('close', code => resolve({ code, output })));
  }
});

/** The sources: mocha and tsx run them from TypeScript, wherever this file was compiled to. */
function ownFile(name: string): string {
  return join(packageRoot(), `test/host/container/${name}.ts`);
}

function whyNotUser(): string | undefined {
  try {
    execFileSync('setpriv', [...user, 'ls', join(packageRoot(), 'node_modules/mocha')], { stdio: 'pipe' });
    execFileSync('setpriv', [...user, 'unshare', '--user', '--map-root-user', '--mount', '--net', 'true'], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (caught) {
    return `user ${nobody} has no user namespaces, or cannot read ${packageRoot()}: ${String(caught).split('\n')[0]}`;
  }
}
