import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../portlayer/package-root.js';

const sources = join(packageRoot(), 'test/host/container/programs');

/** Compiles and copies the test programs below `directory`; a volume for it at /programs. */
export function buildPrograms(directory: string): { source: string; target: string; readOnly: boolean } {
  const built = join(directory, 'programs');
  mkdirSync(built, { recursive: true });
  cpSync(sources, built, { recursive: true });
  const compile = (...args: string[]) => execFileSync('gcc', ['-O1', ...args], { cwd: built, stdio: 'pipe' });
  compile('-o', 'counter-dynamic', 'counter.c');
  compile('-static', '-o', 'counter-static', 'counter.c');
  for (const name of ['threads', 'vfork']) compile('-pthread', '-o', name, `${name}.c`);
  return { source: built, target: '/programs', readOnly: true };
}
