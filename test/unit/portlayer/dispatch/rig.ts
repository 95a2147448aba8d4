import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fakePlugin } from '../../../../executors/fake/plugin.js';
import { createFakeWorld, type FakeTask, type FakeWorld } from '../../../../executors/fake/world.js';
import { openCatalog } from '../../../../portlayer/catalog/sqlite-catalog.js';
import { createDispatch, type RunningDispatch } from '../../../../portlayer/dispatch/create-dispatch.js';
import { storePolicy } from '../../../../portlayer/dispatch/store-policy.js';
import { createLocalHost } from '../../../../portlayer/environments/local/local-host.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import type { Environment } from '../../../../portlayer/plugin/environment.js';
import type { LoaderPlugin } from '../../../../portlayer/plugin/loader.js';
import { createRegistry } from '../../../../portlayer/plugin/registry.js';
import { openAudit } from '../../../../portlayer/policy/audit.js';
import { openImageStore } from '../../../../portlayer/store/image-store.js';
import { openReserve } from '../../../../portlayer/store/reserve.js';
import { openSpecStore } from '../../../../portlayer/store/spec-store.js';

/** A port layer over the fake world, that can be restarted over what it left. */
export interface Rig {
  readonly world: FakeWorld;
  readonly directory: string;
  readonly log: string[];
  dispatch: RunningDispatch;
  /** Ends the service (as a kill would: nothing is told) and starts another one. */
  restart(): Promise<void>;
  close(): Promise<void>;
  task(name: string, task: FakeTask): void;
  /** Puts a checkpoint's record into the catalog as it is given. */
  rewrite(record: CheckpointRecord): void;
}

const here: Environment = {
  name: 'local',
  kind: 'local',
  capabilities: [],
  async *fingerprint() {
    yield { level: 'environment', name: 'local', health: 'healthy', description: 'a test', findings: [] };
  },
  async [Symbol.asyncDispose]() {},
};

const plainLoader: LoaderPlugin = {
  name: 'init',
  apiVersion: 1,
  configSchema: {},
  create: () => ({
    name: 'init',
    capabilities: ['run', 'trigger'],
    fingerprint: async () => ({
      level: 'loader',
      name: 'init',
      health: 'healthy',
      description: 'a test',
      findings: [],
    }),
    plan: spec => ({ argv: spec.task.argv, env: spec.task.env, bring: [], waitForAll: false }),
  }),
};

/** A rig in a directory of its own. The test closes it. */
export async function createRig(policy: unknown = {}, withHost = false): Promise<Rig> {
  const world = createFakeWorld();
  const directory = await mkdtemp(join(tmpdir(), 'portlayer-rig-'));
  const log: string[] = [];
  const open = async (): Promise<() => Promise<void>> => {
    const catalog = openCatalog(join(directory, 'catalog.db'));
    const audit = openAudit(join(directory, 'audit.log'), line => log.push(line));
    const registry = await createRegistry({
      environments: [
        withHost
          ? {
              ...here,
              host: createLocalHost({ name: 'local', stateDirectory: directory, initBinary: '/nonexistent' }),
            }
          : here,
      ],
      executors: [fakePlugin(world)],
      loaders: [plainLoader],
      config: {},
      log: line => log.push(line),
    });
    rig.rewrite = record => catalog.putCheckpoint(record);
    const store = await openImageStore(directory, { log: line => log.push(line) });
    rig.dispatch = await createDispatch({
      catalog,
      audit,
      registry,
      store,
      storePolicy: storePolicy(policy),
      reserve: openReserve(join(directory, 'reserve')),
      specs: await openSpecStore(join(directory, 'specs'), line => log.push(line)),
      log: line => log.push(line),
    });
    const opened = rig.dispatch;
    return async () => {
      await opened[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      catalog.close();
      audit.close();
    };
  };
  let close = async (): Promise<void> => {};
  const rig: Rig = {
    world,
    directory,
    log,
    dispatch: undefined as unknown as RunningDispatch,
    async restart() {
      await close();
      close = await open();
    },
    async close() {
      await close();
      await rm(directory, { recursive: true, force: true });
    },
    task: (name, task) => void world.tasks.set(name, task),
    rewrite: () => {},
  };
  close = await open();
  return rig;
}

/** A spec for the fake executor. */
export function fakeSpec(
  name: string,
  task: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  const { exitCode, ...rest } = more;
  return { name, executor: 'fake', task: { argv: [task], ...(exitCode ? { exitCode } : {}) }, ...rest };
}

/** A counting task that exits 85 until it has counted to `goal`, then 0. Its state is the file `count`. */
export function counter(goal: number): FakeTask {
  return ({ files, print, request }) => {
    const count = Number(files.get('count') ?? '0') + 1;
    files.set('count', String(count));
    print(`${count} from ${request.env.PORTLAYER_RESTORED_FROM ?? 'the beginning'}`);
    return count >= goal ? 0 : 85;
  };
}
