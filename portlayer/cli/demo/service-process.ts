import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A service in a process of its own, that a demo can kill. */
export interface ServiceProcess {
  readonly pid: number;
  /** SIGKILL: it gets no chance to tidy up. Resolves when it is dead. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves when it has ended. */
  end(): Promise<void>;
}

/** Starts `portlayer serve` on a state directory; what it logs goes into `service.log` there. */
export function startService(stateDirectory: string): ServiceProcess {
  const log = openSync(join(stateDirectory, 'service.log'), 'a', 0o600);
  const bin = fileURLToPath(new URL('../bin.js', import.meta.url));
  const child = spawn(process.execPath, [bin, 'serve', '--state-dir', stateDirectory], {
    stdio: ['ignore', log, log],
  });
  return {
    pid: child.pid ?? 0,
    kill: () => ended(child, 'SIGKILL'),
    end: () => ended(child, 'SIGTERM'),
  };
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
