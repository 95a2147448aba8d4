import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '../../portlayer/client/client.js';
import { packageRoot } from '../../portlayer/package-root.js';

/** The built command line: what a user runs. */
export const BIN = join(packageRoot(), 'dist/portlayer/cli/bin.js');

/** A real service in a process of its own, on a state directory of its own. */
export interface ServiceUnderTest {
  readonly stateDirectory: string;
  readonly address: string;
  readonly client: Client;
  /** Starts it; resolves when it answers. */
  start(): Promise<void>;
  /** Starts it and does not wait. */
  launch(): void;
  /** Resolves when it answers. */
  ready(): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
  log(): string;
  /** Removes every container, ends the service, removes the state directory. */
  close(): Promise<void>;
}

/** A service that is not started yet. `stateDirectory` defaults to a new temporary one; `options` are further ones of `serve`. */
export function serviceUnderTest(
  stateDirectory = mkdtempSync(join(tmpdir(), 'portlayer-it-')),
  options: readonly string[] = [],
): ServiceUnderTest {
  if (!existsSync(BIN)) throw new Error(`${BIN} is not built: npm run build`);
  const address = `unix:${join(stateDirectory, 'portlayer.sock')}`;
  const logPath = join(stateDirectory, 'service.log');
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const exit = once(dying, 'exit');
    dying.kill(signal);
    await exit;
  };
  const service: ServiceUnderTest = {
    stateDirectory,
    address,
    client: createClient({ address, waitForReadyMs: 30_000 }),
    launch() {
      const log = openSync(logPath, 'a', 0o600);
      child = spawn(process.execPath, [BIN, 'serve', '--state-dir', stateDirectory, ...options], {
        stdio: ['ignore', log, log],
      });
    },
    async ready() {
      const died = child
        ? once(child, 'exit').then(() => Promise.reject(new Error(`the service ended:\n${service.log()}`)))
        : undefined;
      died?.catch(() => {});
      await Promise.race([service.client.listContainers({ pageSize: 1 }), ...(died ? [died] : [])]);
    },
    async start() {
      service.launch();
      await service.ready();
    },
    kill: () => end('SIGKILL'),
    log: () => (existsSync(logPath) ? readFileSync(logPath, 'utf8') : ''),
    async close() {
      // Where it died by itself, another one takes up what is there.
      if (!child || child.exitCode !== null || child.signalCode !== null) await service.start();
      for (const { spec } of (await service.client.listContainers({ pageSize: 1000 })).items) {
        await service.client.removeContainer(spec.name, { force: true });
      }
      service.client.close();
      await end('SIGTERM');
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
  return service;
}
