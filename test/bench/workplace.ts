import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { packageRoot } from '../../portlayer/package-root.js';

/** A directory of a bench's own, on the file system of the system's temporary files. */
export interface Workplace extends AsyncDisposable {
  readonly directory: string;
  path(...names: string[]): string;
  /** Compiles `test/bench/NAME.c`, statically, into `bin/NAME` and returns its path. Throws where there is no compiler. */
  compile(name: string): Promise<string>;
}

/** Makes a workplace; disposing removes it. */
export function openWorkplace(): Workplace {
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-bench-'));
  const path = (...names: string[]) => join(directory, ...names);
  return {
    directory,
    path,
    async compile(name) {
      const source = join(packageRoot(), 'test/bench', `${name}.c`);
      await execa('mkdir', ['-p', path('bin')]);
      await execa('cc', ['-O2', '-static', '-Wall', '-Wextra', '-Werror', '-o', path('bin', name), source]);
      return path('bin', name);
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
