import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withQmp } from '../../../executors/qemu/qmp/qmp-client.js';
import type { RunningDispatch } from '../../../portlayer/dispatch/create-dispatch.js';
import { createLocalHost } from '../../../portlayer/environments/local/local-host.js';
import { openService, type Service } from '../../../portlayer/main.js';
import type { CheckpointRecord } from '../../../portlayer/model/checkpoint-record.js';
import type { ContainerRecord } from '../../../portlayer/model/container-record.js';
import { initBinary } from './subject.js';

/** A whole service over the executor `qemu`, that can be ended and opened again on what it left. */
export interface World {
  readonly stateDirectory: string;
  readonly log: string[];
  dispatch: RunningDispatch;
  /** Boots a machine whose task is this shell script. */
  run(name: string, script: string, more?: Readonly<Record<string, unknown>>): Promise<ContainerRecord>;
  output(name: string): Promise<string[]>;
  /** Waits for a line of the log that fits. */
  said(name: string, pattern: RegExp, ms?: number): Promise<string>;
  checkpoint(name: string, more?: { stopAfter?: boolean; committed?: boolean }): Promise<CheckpointRecord>;
  restore(crid: string, name: string): Promise<ContainerRecord>;
  /** The names of the copies; throws the first error of one. */
  fork(
    source: { checkpoint: string } | { container: string },
    count: number,
    prefix: string,
  ): Promise<string[]>;
  state(name: string): Promise<string>;
  /** The pid of the QEMU of a machine. */
  qemu(name: string): Promise<number>;
  /** The address of a machine's network card, as its QEMU says it. */
  card(name: string): Promise<string>;
  /** Pids of processes of this world whose command line has a part that fits, and whose program is this one. */
  processes(pattern: RegExp, program?: string): Promise<number[]>;
  /** Removes every container and checkpoint but these. */
  clear(keep?: readonly string[]): Promise<void>;
  /** Ends the service and opens another on what it left; `other` is put over its configuration. */
  restart(other?: Readonly<Record<string, unknown>>): Promise<void>;
  /** What a host's reboot leaves: the service ended, everything it started killed at once, no sockets; then another service. */
  rebootHost(): Promise<void>;
  close(): Promise<void>;
}

const patienceMs = 120_000;

/** Opens a service in a state directory of its own, or in `directory`. The test closes it. */
export async function openWorld(
  config: Readonly<Record<string, unknown>> = {},
  directory?: string,
): Promise<World> {
  const stateDirectory = directory ?? (await mkdtemp('/var/tmp/plq-'));
  const log: string[] = [];
  const { kernel = {}, ...qemu } = config;
  const open = (other: Readonly<Record<string, unknown>> = {}) =>
    openService({
      stateDirectory,
      // On a machine that does much else everything takes several times as long.
      config: {
        qemu: { accelerator: 'tcg', bootMs: 60_000, quiesceMs: 20_000, restoreMs: 90_000, ...qemu, ...other },
        kernel,
      },
      log: line => void log.push(line),
    });
  let service: Service = await open();
  const page = { size: 1000 };
  const limit = () => AbortSignal.timeout(patienceMs);
  const world: World = {
    stateDirectory,
    log,
    dispatch: service.dispatch,
    async run(name, script, more = {}) {
      const { task, ...rest } = more as { task?: object };
      const argv = ['sh', '-c', script];
      await world.dispatch.createContainer('', {
        name,
        executor: 'qemu',
        loader: 'kernel',
        task: { argv, ...task },
        ...rest,
      });
      return world.dispatch.startContainer('', name);
    },
    async output(name) {
      const lines: string[] = [];
      let line = '';
      for await (const entry of world.dispatch.logs(name, { follow: false }, limit())) {
        line += entry.text;
        if (!entry.endsLine) continue;
        lines.push(line);
        line = '';
      }
      return lines;
    },
    async said(name, pattern, ms = patienceMs) {
      for (const until = Date.now() + ms; Date.now() < until; await sleep(50)) {
        const line = (await world.output(name)).find(text => pattern.test(text));
        if (line !== undefined) return line;
      }
      throw new Error(`${name} did not say ${pattern}; it said: ${(await world.output(name)).join('\n')}`);
    },
    checkpoint: (container, more = {}) =>
      world.dispatch.createCheckpoint(
        '',
        {
          container,
          mechanism: 'vmfork',
          labels: {},
          durability: more.committed ? 'committed' : 'captured',
          stopAfter: more.stopAfter ?? false,
        },
        () => {},
        limit(),
      ),
    restore: (checkpoint, name) =>
      world.dispatch.restoreCheckpoint('', { checkpoint, name, inPlace: false, labels: {} }, limit()),
    async fork(source, count, namePrefix) {
      const names: string[] = [];
      for await (const outcome of world.dispatch.fork(
        '',
        { source, count, namePrefix, labels: {} },
        limit(),
      )) {
        if (outcome.error !== undefined) throw outcome.error;
        names.push(outcome.name);
      }
      return names.sort();
    },
    state: async name => (await world.dispatch.getContainer(name)).state,
    async qemu(name) {
      const { uid } = await world.dispatch.getContainer(name);
      // A copy may have begun as a standby, which keeps the directory it was made in.
      const standbys = join(stateDirectory, 'qemu/s');
      const owners = await readdir(standbys).catch(() => []);
      const owned = owners.find(
        id =>
          existsSync(join(standbys, id, 'uid')) && readFileSync(join(standbys, id, 'uid'), 'utf8') === uid,
      );
      const home = owned === undefined ? `c/${uid}` : `s/${owned}`;
      const [pid] = await world.processes(new RegExp(`^unix:.*/${home}/vm/qmp`), 'qemu-system-x86_64');
      if (pid === undefined) throw new Error(`${name} has no QEMU`);
      return pid;
    },
    async card(name) {
      const { uid } = await world.dispatch.getContainer(name);
      const host = createLocalHost({ stateDirectory, initBinary, name: 'local' });
      const path = join(stateDirectory, 'qemu/c', uid, 'vm/qmp');
      const [card] = await withQmp(host, path, qmp => qmp.execute('query-rx-filter'));
      return card?.['main-mac'] ?? '';
    },
    async processes(pattern, program = '') {
      const found: number[] = [];
      for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
        const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
        if (
          argv[0]?.endsWith(program) &&
          argv.some(part => part.includes(stateDirectory) && pattern.test(part))
        )
          found.push(Number(pid));
      }
      return found;
    },
    async clear(keep = []) {
      const { items } = await world.dispatch.listContainers({}, page);
      for (const { spec } of items)
        if (!keep.includes(spec.name)) await world.dispatch.removeContainer('', spec.name, true);
      const checkpoints = await world.dispatch.listCheckpoints({}, page);
      for (const { crid } of checkpoints.items)
        if (!keep.includes(crid)) await world.dispatch.removeCheckpoint('', crid, true);
    },
    async restart(other = {}) {
      await service[Symbol.asyncDispose]();
      service = await open(other);
      world.dispatch = service.dispatch;
    },
    async rebootHost() {
      await service[Symbol.asyncDispose]();
      const limit = Date.now() + patienceMs;
      for (let left = [0]; left.length > 0 && Date.now() < limit; await sleep(20)) {
        left = await world.processes(/./);
        for (const pid of left) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It ended with another.
          }
        }
      }
      const entries = await readdir(stateDirectory, { recursive: true, withFileTypes: true });
      for (const entry of entries)
        if (entry.isSocket()) await rm(join(entry.parentPath, entry.name), { force: true });
      service = await open();
      world.dispatch = service.dispatch;
    },
    async close() {
      await world.clear();
      await service[Symbol.asyncDispose]();
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
  return world;
}
