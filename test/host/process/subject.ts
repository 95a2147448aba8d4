import { mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ProcessConfig } from '../../../executors/process/config.js';
import { processExecutor } from '../../../executors/process/plugin.js';
import { initLoader } from '../../../loaders/init/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import type { ExecutorSubject } from '../../conformance/conformance.js';

/** The init binary as `loaders/init/build.sh` leaves it, or as PORTLAYER_INIT says. */
export const initBinary =
  process.env.PORTLAYER_INIT ??
  fileURLToPath(new URL('../../../loaders/init/build/portlayer-init', import.meta.url));

/** The executor `process` on this machine, in a state directory of its own. */
export async function processSubject(
  config: ProcessConfig,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<ExecutorSubject> {
  const stateDirectory = await mkdtemp(`${process.env.PORTLAYER_TEST_DIRECTORY ?? '/var/tmp'}/pl-`);
  const environment = await createLocalEnvironment({ stateDirectory, initBinary });
  return {
    create: () => processExecutor.create(config, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec,
    cleanUp: () => rm(stateDirectory, { recursive: true, force: true }),
  };
}
