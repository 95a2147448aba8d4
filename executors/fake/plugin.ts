import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import { createFakeExecutor } from './executor.js';
import type { FakeWorld } from './world.js';

/** The fake executor as a plugin, over a world that the test keeps. */
export function fakePlugin(world: FakeWorld): ExecutorPlugin {
  return {
    name: 'fake',
    apiVersion: 1,
    configSchema: { type: 'object', additionalProperties: false },
    environments: ['local'],
    create: async () => createFakeExecutor(world),
  };
}
