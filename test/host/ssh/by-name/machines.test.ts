import { qemuExecutor } from '../../../../executors/qemu/plugin.js';
import { kernelLoader } from '../../../../loaders/kernel/plugin.js';
import { executorSuite } from '../../../conformance/conformance.js';
import { whyNot } from '../../qemu/subject.js';
import { remoteEnvironment } from '../remote-environment.js';
import { whyNoSshd } from '../sshd.js';

executorSuite('qemu over ssh', async () => {
  const shared = {
    loader: kernelLoader.create({}),
    spec: { environment: 'there', executor: 'qemu', loader: 'kernel', network: 'none' },
    layersOfBlocks: true as const,
  };
  const skip = whyNoSshd() ?? whyNot();
  if (skip !== undefined)
    return { ...shared, skip, create: () => Promise.reject(new Error(skip)), cleanUp: async () => {} };
  const { environment, cleanUp } = await remoteEnvironment();
  return {
    ...shared,
    create: () => qemuExecutor.create({ accelerator: 'tcg' }, { environment, log: () => {} }),
    cleanUp,
  };
});
