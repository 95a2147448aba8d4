import { mkdtemp, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningDispatch } from '../../../portlayer/dispatch/create-dispatch.js';
import { openService, type Service } from '../../../portlayer/main.js';
import type { CheckpointRecord } from '../../../portlayer/model/checkpoint-record.js';
import type { ContainerRecord } from '../../../portlayer/model/container-record.js';
import { criuDirectory, makeRootfs, specOf } from './subject.js';

/** A whole service over the executor `container`, that can be ended and opened again on what it left. */
export interface World {
  readonly stateDirectory: string;
  readonly rootfs: string;
  readonly log: string[];
  dispatch: RunningDispatch;
  /** Creates and starts a container. */
  run(
    name: string,
    argv: readonly string[],
    more?: Readonly<Record<string, unknown>>,
  ): Promise<ContainerRecord>;
  /** Everything in a container's log, one line each. */
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
  /** Runs a shell script in a container; what it printed. */
  exec(name: string, script: string): Promise<string>;
  /** Removes every container and checkpoint. */
  clear(): Promise<void>;
  restart(): Promise<void>;
  endService(): Promise<void>;
  beginService(): Promise<void>;
  close(): Promise<void>;
}

const patienceMs = 30_000;

/** Opens a service in a state directory of its own, or again in an existing one. The test closes it. `others` is the configuration of other plugins. */
export async function openWorld(
  config: Readonly<Record<string, unknown>> = {},
  existing?: string,
  others: Readonly<Record<string, unknown>> = {},
): Promise<World> {
  const stateDirectory = existing ?? (await mkdtemp('/var/tmp/pl-'));
  const rootfs = existing === undefined ? await makeRootfs(stateDirectory) : `${existing}/rootfs`;
  const log: string[] = [];
  const open = () =>
    openService({
      stateDirectory,
      config: { container: { criuDirectory, ...config }, ...others },
      log: line => void log.push(line),
    });
  let service: Service = await open();
  const page = { size: 1000 };
  const world: World = {
    stateDirectory,
    rootfs,
    log,
    dispatch: service.dispatch,
    async run(name, argv, more = {}) {
      const { task, ...rest } = more as { task?: object };
      await world.dispatch.createContainer('', { ...specOf(rootfs), name, task: { argv, ...task }, ...rest });
      return world.dispatch.startContainer('', name);
    },
    async output(name) {
      const lines: string[] = [];
      let open = '';
      for await (const entry of world.dispatch.logs(
        name,
        { follow: false },
        AbortSignal.timeout(patienceMs),
      )) {
        open += entry.text;
        if (!entry.endsLine) continue;
        lines.push(open);
        open = '';
      }
      return lines;
    },
    async said(name, pattern, ms = patienceMs) {
      for (const until = Date.now() + ms; Date.now() < until; await sleep(20)) {
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
          mechanism: 'criu',
          labels: {},
          durability: more.committed ? 'committed' : 'captured',
          stopAfter: more.stopAfter ?? false,
        },
        () => {},
        AbortSignal.timeout(patienceMs),
      ),
    restore: (checkpoint, name) =>
      world.dispatch.restoreCheckpoint(
        '',
        { checkpoint, name, inPlace: false, labels: {} },
        AbortSignal.timeout(patienceMs),
      ),
    async fork(source, count, namePrefix) {
      const names: string[] = [];
      const request = { source, count, namePrefix, labels: {} };
      for await (const outcome of world.dispatch.fork('', request, AbortSignal.timeout(patienceMs))) {
        if (outcome.error !== undefined) throw outcome.error;
        names.push(outcome.name);
      }
      return names.sort();
    },
    async exec(name, script) {
      const session = await world.dispatch.exec(
        name,
        { argv: ['sh', '-c', script], env: {} },
        AbortSignal.timeout(patienceMs),
      );
      session.stdin.end();
      let output = '';
      const take = async (stream: AsyncIterable<Buffer>) => {
        for await (const chunk of stream) output += String(chunk);
      };
      // Both at once: what nobody reads when the command ends is lost.
      await Promise.all([take(session.stdout), take(session.stderr), session.exited]);
      return output;
    },
    async clear() {
      const { items } = await world.dispatch.listContainers({}, page);
      for (const { spec } of items) await world.dispatch.removeContainer('', spec.name, true);
      const checkpoints = await world.dispatch.listCheckpoints({}, page);
      for (const { crid } of checkpoints.items) await world.dispatch.removeCheckpoint('', crid, true);
    },
    async restart() {
      await world.endService();
      await world.beginService();
    },
    async endService() {
      await service[Symbol.asyncDispose]();
    },
    async beginService() {
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
