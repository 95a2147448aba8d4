import { containerExecutor } from '../../../../executors/container/plugin.js';
import { processExecutor } from '../../../../executors/process/plugin.js';
import { initLoader } from '../../../../loaders/init/plugin.js';
import { executorSuite } from '../../../conformance/conformance.js';
import { criuDirectory, makeRootfs, specOf, whyNot } from '../../container/subject.js';
import { remoteEnvironment } from '../remote-environment.js';
import { whyNoSshd } from '../sshd.js';

const skip = whyNoSshd();

executorSuite('process over ssh', async () => {
  if (skip !== undefined) return nothing(skip);
  const { environment, cleanUp } = await remoteEnvironment();
  return {
    create: () => processExecutor.create({}, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec: { environment: 'there' },
    cleanUp,
  };
});

executorSuite('container over ssh', async () => {
  const why = skip ?? whyNot();
  if (why !== undefined) return nothing(why);
  const { environment, stateDirectory, cleanUp } = await remoteEnvironment();
  const rootfs = await makeRootfs(stateDirectory);
  return {
    create: () => containerExecutor.create({ criuDirectory }, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec: { ...specOf(rootfs), environment: 'there' },
    cleanUp,
  };
});

function nothing(why: string) {
  return {
    loader: initLoader.create({}),
    skip: why,
    create: () => Promise.reject(new Error(why)),
    cleanUp: async () => {},
  };
}
