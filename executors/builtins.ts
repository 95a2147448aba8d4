import type { ExecutorPlugin } from '../portlayer/plugin/executor.js';
import { containerExecutor } from './container/plugin.js';
import { processExecutor } from './process/plugin.js';

/** The executors that come with the port layer. */
export const builtinExecutors = [
  processExecutor,
  containerExecutor,
] as const satisfies readonly ExecutorPlugin<never>[];
