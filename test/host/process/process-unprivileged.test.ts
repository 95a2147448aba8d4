import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initBinary } from './subject.js';

const nobody = 65534;
const project = fileURLToPath(new URL('../../..', import.meta.url));

describe('the conformance suite as an unprivileged user', function () {
  this.timeout(300_000);
  let directory = '';
  before(function () {
    const reason = whyNot();
    if (reason === undefined) return;
    console.log(`      skipped: ${reason}`);
    this.skip();
  });
  after(() => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  it('passes', async () => {
    directory = mkdtempSync('/var/tmp/pl-nobody-');
    chownSync(directory, nobody, nobody);
    chmodSync(directory, 0o700);
    // The project may lie below a directory that only root enters for writing; the binary is copied to be sure.
    const binary = join(directory, 'portlayer-init');
    copyFileSync(initBinary, binary);
    chmodSync(binary, 0o755);
    const { code, output } = await runMocha(binary);
    assert.equal(code, 0, output);
    assert.match(output, /\d{2,} passing/);
  });

  function runMocha(binary: string): Promise<{ code: number | null; output: string }> {
    const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin/mocha.js');
    const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
    const test = ['test/host/process/process-conformance.test.ts', '--reporter', 'dot'];
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      TMPDIR: directory,
      PORTLAYER_TEST_DIRECTORY: directory,
      PORTLAYER_INIT: binary,
    };
    const child = spawn('setpriv', [...user, process.execPath, mocha, ...test], { cwd: project, env });
    let output = '';
    child.stdout.on('data', chunk => (output += String(chunk)));
    child.stderr.on('data', chunk => (output += String(chunk)));
    return new Promise(resolve => child.on('close', code => resolve({ code, output })));
  }
});

function whyNot(): string | undefined {
  if (process.geteuid?.() !== 0)
    return 'only root can become another user; the other tests ran unprivileged already';
  const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
  try {
    execFileSync('setpriv', [...user, process.execPath, '--version'], { stdio: 'pipe' });
    execFileSync('setpriv', [...user, 'ls', join(project, 'node_modules/mocha')], { stdio: 'pipe' });
    return undefined;
  } catch (caught) {
    return `user ${nobody} cannot run node in ${project}: ${caught instanceof Error ? caught.message.split('\n')[0] : ''}`;
  }
}
