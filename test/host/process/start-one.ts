import { processExecutor } from '../../../executors/process/plugin.js';
import { initLoader } from '../../../loaders/init/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import { compileContainerSpec } from '../../../portlayer/model/container-spec.js';
import { newUlid } from '../../../portlayer/model/ids.js';
import type { Executor } from '../../../portlayer/plugin/executor.js';

/** Starts one container that ends with 21 on SIGTERM, and waits until it is ready for that; its uid. */
export async function startOne(executor: Executor): Promise<string> {
  const uid = newUlid();
  const script = 'trap "exit 21" TERM; echo ready; while :; do sleep 0.05; done';
  const spec = compileContainerSpec({ name: 'one', task: { argv: ['sh', '-c', script] } });
  const launch = await initLoader.create({}).plan(spec);
  const signal = AbortSignal.timeout(10_000);
  await executor.start({ uid, spec, launch, layers: [], env: {} }, signal);
  for await (const entry of executor.logs(uid, { follow: true }, signal)) if (entry.text === 'ready') break;
  return uid;
}

const [, script, stateDirectory, initBinary] = process.argv;
if (script?.endsWith('start-one.ts') && stateDirectory !== undefined && initBinary !== undefined) {
  const environment = await createLocalEnvironment({ stateDirectory, initBinary });
  console.log(await startOne(await processExecutor.create({}, { environment, log: () => {} })));
}
