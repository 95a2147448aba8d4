import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '../../portlayer/client/client.js';
import { packageRoot } from '../../portlayer/package-root.js';

/** A service in a process of its own, as a user runs it. */
export interface ServiceProcess extends AsyncDisposable {
  readonly client: Client;
  readonly pid: number;
  /** From the spawn of the process to its first answer, in milliseconds. */
  readonly startMs: number;
  /** Resident memory as the kernel counts it now, in MiB. Source: `VmRSS` in proc(5). */
  residentMiB(): number;
}

/** Node's options for a service, from `PORTLAYER_BENCH_NODE_OPTIONS`: `--cpu-prof --cpu-prof-dir=…` to profile one. */
const nodeOptions = (process.env.PORTLAYER_BENCH_NODE_OPTIONS ?? '').split(' ').filter(Boolean);

/**
 * Starts a service on `stateDirectory`; resolves when it has answered a call. `program` is a script of the bench's own
 * that serves with further plugins; default: the command line. Disposing removes its containers and ends it.
 */
export async function startService(
  stateDirectory: string,
  program: readonly string[] = [join(packageRoot(), 'dist/portlayer/cli/bin.js'), 'serve', '--state-dir'],
): Promise<ServiceProcess> {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const logPath = join(stateDirectory, 'service.log');
  const log = openSync(logPath, 'a', 0o600);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, ...program, stateDirectory], {
    stdio: ['ignore', log, log],
  });
  const client = createClient({
    address: `unix:${join(stateDirectory, 'portlayer.sock')}`,
    waitForReadyMs: 60_000,
  });
  const died = once(child, 'exit').then(() => {
    throw new Error(`the service ended:\n${readFileSync(logPath, 'utf8')}`);
  });
  died.catch(() => {});
  await Promise.race([client.listContainers({ pageSize: 1 }), died]);
  const startMs = performance.now() - startedAt;
  return {
    client,
    pid: child.pid!,
    startMs,
    residentMiB() {
      const text = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)![1]) / 1024;
    },
    async [Symbol.asyncDispose]() {
      for (const { spec } of (await client.listContainers({ pageSize: 1000 })).items) {
        await client.removeContainer(spec.name, { force: true });
      }
      client.close();
      await ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}
