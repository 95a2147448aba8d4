import { processExecutor } from '../../executors/process/plugin.js';
import { serve } from '../../portlayer/main.js';
import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import type { Mechanism } from '../../portlayer/plugin/mechanism.js';

/** A mechanism that captures nothing, at once: what is left is the way of a trigger and its answer. */
const instant: Mechanism = {
  name: 'instant',
  level: 'executor',
  card: { preserves: 'disk', restores: 'here', keeps: ['nothing'], loses: ['everything'], needs: [] },
  constraints: () => [],
  async checkpoint(container, _into, gate) {
    for (const phase of ['quiescing', 'dumping', 'thawed'] as const) await gate(phase);
    return { layers: container.layers, running: true };
  },
  restore: (_from, as, executor, signal) => executor.start(as, signal),
};

/** The process executor with that mechanism, under another name. */
const instantExecutor: ExecutorPlugin = {
  ...processExecutor,
  name: 'instant',
  async create(config, services) {
    const executor = await processExecutor.create(
      config as Parameters<typeof processExecutor.create>[0],
      services,
    );
    return {
      ...executor,
      name: 'instant',
      capabilities: [...executor.capabilities, 'checkpoint:instant'],
      checkpoint: instant,
    };
  },
};

const [stateDirectory = ''] = process.argv.slice(2);
await serve({
  stateDirectory,
  executors: [instantExecutor],
  log: line => process.stderr.write(`${line}\n`),
});
