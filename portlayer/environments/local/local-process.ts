import { constants } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { execa } from 'execa';
import type { Process, SpawnOptions } from '../../plugin/host.js';

/** Spawns `argv` on this machine, with no shell and no inherited environment but PATH. */
export function spawnLocal(argv: readonly string[], options: SpawnOptions): Process {
  const [file = '', ...args] = argv;
  const child = execa(file, args, {
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...options.env },
    extendEnv: false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    killSignal: 'SIGKILL',
    forceKillAfterDelay: false,
    reject: false,
    buffer: false,
    encoding: 'buffer',
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  return {
    stdin: child.stdin as Writable,
    stdout: (child.stdout as Readable | null) ?? new PassThrough().end(),
    stderr: (child.stderr as Readable | null) ?? new PassThrough().end(),
    exited: child.then(result => describeEnd(result)),
    kill: signal => void child.kill(signal),
  };
}

interface Ended {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly isCanceled: boolean;
  readonly code?: string | undefined;
  readonly originalMessage?: string | undefined;
}

function describeEnd(result: Ended): { code: number; signal: string; failure?: string } {
  if (result.signal !== undefined) {
    const number = constants.signals[result.signal as NodeJS.Signals] ?? 0;
    return { code: 128 + number, signal: result.signal };
  }
  if (result.exitCode !== undefined) return { code: result.exitCode, signal: '' };
  if (result.isCanceled) return { code: 137, signal: 'SIGKILL' };
  return { code: 127, signal: '', failure: result.originalMessage ?? result.code ?? 'could not be spawned' };
}
