import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../portlayer/package-root.js';
import { initBinary, whyNot } from './subject.js';

const nobody = 65534;
const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];

/** A place where a user without rights runs parts of the tests. */
export interface Nobody {
  /** Runs Node with these arguments as that user. */
  run(argv: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }>;
  /** Runs mocha on a file of `test/host/container`, with further options. */
  mocha(
    name: string,
    options: readonly string[],
  ): Promise<{ readonly code: number | null; readonly output: string }>;
  close(): void;
}

/** Why nothing can be tested as that user here, or undefined. */
export function whyNotNobody(): string | undefined {
  const reason = whyNot();
  if (reason !== undefined) return reason;
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

/** That user with a directory of its own. The test closes it. */
export function asNobody(): Nobody {
  const directory = mkdtempSync('/var/tmp/pl-nobody-');
  chownSync(directory, nobody, nobody);
  chmodSync(directory, 0o700);
  // The project may lie below a directory that only root enters for writing; the binary is copied to be sure.
  copyFileSync(initBinary, join(directory, 'portlayer-init'));
  chmodSync(join(directory, 'portlayer-init'), 0o755);
  const self: Nobody = {
    run(argv) {
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
    },
    mocha(name, options) {
      const mocha = join(
        dirname(createRequire(import.meta.url).resolve('mocha/package.json')),
        'bin/mocha.js',
      );
      return self.run([mocha, ownFile(name), '--reporter', 'dot', ...options]);
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
  return self;
}

/** The sources: mocha and tsx run them from TypeScript, wherever this file was compiled to. */
export function ownFile(name: string): string {
  return join(packageRoot(), `test/host/container/${name}.ts`);
}
