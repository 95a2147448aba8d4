import type { EnvironmentPlugin } from '../portlayer/plugin/environment.js';
import type { ExecutorPlugin } from '../portlayer/plugin/executor.js';
import { containerExecutor } from './container/plugin.js';
import { processExecutor } from './process/plugin.js';
import { qemuExecutor } from './qemu/plugin.js';
import { vsphereEnvironment } from './vsphere/environment.js';
import { vsphereExecutor } from './vsphere/plugin.js';

/** The executors that come with the port layer. */
export const builtinExecutors = [
  processExecutor,
  containerExecutor,
  qemuExecutor,
  vsphereExecutor,
] as const satisfies readonly ExecutorPlugin<never>[];

/** The kinds of environment that only one executor works in and comes with. */
export const builtinEnvironments: readonly EnvironmentPlugin<never>[] = [vsphereEnvironment];
