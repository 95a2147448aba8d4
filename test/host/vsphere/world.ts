import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VsphereConfig } from '../../../executors/vsphere/config.js';
import type { RunningDispatch } from '../../../portlayer/dispatch/create-dispatch.js';
import { openService, type Service } from '../../../portlayer/main.js';
import type { CheckpointRecord } from '../../../portlayer/model/checkpoint-record.js';
import type { ContainerRecord } from '../../../portlayer/model/container-record.js';
import {
  type Listed,
  startVCenter,
  type TestVCenter,
  type VCenterOptions,
} from '../../vcenter/test-vcenter.js';
import { accessTo } from './subject.js';

/** A whole service with an environment `lab` in a test vCenter, configured by a file as its users do. */
export interface World {
  readonly vcenter: TestVCenter;
  readonly stateDirectory: string;
  readonly log: string[];
  dispatch: RunningDispatch;
  /** Runs a shell script in a virtual machine. */
  run(name: string, script: string, more?: Readonly<Record<string, unknown>>): Promise<ContainerRecord>;
  output(name: string): Promise<string[]>;
  /** Waits for a line of the log that fits. */
  said(name: string, pattern: RegExp): Promise<string>;
  checkpoint(name: string, more?: { readonly stopAfter?: boolean }): Promise<CheckpointRecord>;
  /** The names of the copies; throws the first error of one. */
  fork(
    source: { checkpoint: string } | { container: string },
    count: number,
    prefix: string,
  ): Promise<string[]>;
  restore(checkpoint: string, name: string): Promise<ContainerRecord>;
  state(name: string): Promise<string>;
  /** The machines that this service has made. */
  machines(): Promise<readonly Listed[]>;
  clear(): Promise<void>;
  /** The service ends, and is opened again on what it left. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const patienceMs = 60_000;

/** Opens both; the test closes them. */
export async function openWorld(config: VsphereConfig = {}, options: VCenterOptions = {}): Promise<World> {
  const vcenter = await startVCenter({ guests: true, ...options });
  const access = await accessTo(vcenter);
  const { stateDirectory } = access;
  const plugins = { vsphere: { template: 'portlayer-template', ...config } };
  const lab = { kind: 'vsphere', ...access.settings, plugins };
  const configFile = join(stateDirectory, 'service.json');
  await writeFile(configFile, JSON.stringify({ environments: { lab } }));
  const log: string[] = [];
  const open = () => openService({ stateDirectory, configFile, log: line => void log.push(line) });
  let service: Service = await open();
  const page = { size: 1000 };
  const limit = () => AbortSignal.timeout(patienceMs);

  const world: World = {
    vcenter,
    stateDirectory,
    log,
    dispatch: service.dispatch,
    async run(name, script, more = {}) {
      const task = { argv: ['sh', '-c', script] };
      await world.dispatch.createContainer('', {
        name,
        environment: 'lab',
        executor: 'vsphere',
        task,
        ...more,
      });
      return world.dispatch.startContainer('', name);
    },
    async output(name) {
      const lines: string[] = [];
      for await (const entry of world.dispatch.logs(name, { follow: false }, limit())) lines.push(entry.text);
      return lines;
    },
    async said(name, pattern) {
      for (const until = Date.now() + patienceMs; Date.now() < until; await sleep(50)) {
        const line = (await world.output(name)).find(text => pattern.test(text));
        if (line !== undefined) return line;
      }
      throw new Error(`${name} did not say ${pattern}; it said: ${(await world.output(name)).join('\n')}`);
    },
    checkpoint: (container, { stopAfter = false } = {}) =>
      world.dispatch.createCheckpoint(
        '',
        { container, mechanism: 'vmfork', labels: {}, durability: 'captured', stopAfter },
        () => {},
        limit(),
      ),
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
    restore: (checkpoint, name) =>
      world.dispatch.restoreCheckpoint('', { checkpoint, name, inPlace: false, labels: {} }, limit()),
    state: async name => (await world.dispatch.getContainer(name)).state,
    machines: async () =>
      (await vcenter.machines()).filter(one =>
        Object.keys(one.extra).some(key => key.startsWith('portlayer.')),
      ),
    async clear() {
      const { items } = await world.dispatch.listContainers({}, page);
      for (const { spec } of items) await world.dispatch.removeContainer('', spec.name, true);
      const checkpoints = await world.dispatch.listCheckpoints({}, page);
      for (const { crid } of checkpoints.items) await world.dispatch.removeCheckpoint('', crid, true);
    },
    async restart() {
      await service[Symbol.asyncDispose]();
      service = await open();
      world.dispatch = service.dispatch;
    },
    async close() {
      await service[Symbol.asyncDispose]();
      await vcenter.stop();
      await access.remove();
    },
  };
  return world;
}
