import { rm } from 'node:fs/promises';
import { containerExecutor } from '../../../executors/container/plugin.js';
import { processExecutor } from '../../../executors/process/plugin.js';
import { initLoader } from '../../../loaders/init/plugin.js';
import { createSshEnvironment } from '../../../portlayer/environments/ssh/ssh-environment.js';
import { environmentSuite, executorSuite } from '../../conformance/conformance.js';
import { criuDirectory, makeRootfs, specOf, whyNot } from '../container/subject.js';
import { initBinary } from '../process/subject.js';
import { startSshd, whyNoSshd } from './sshd.js';

const skip = whyNoSshd();

async function remote() {
  const sshd = await startSshd();
  const stateDirectory = `${sshd.directory}/state`;
  const environment = createSshEnvironment({
    name: 'there',
    config: { ...sshd.config, stateDirectory },
    initBinary,
    owner: 'conformance',
    log: () => {},
  });
  await environment.host?.untilReachable?.(AbortSignal.timeout(30_000));
  const cleanUp = async () => {
    await environment[Symbol.asyncDispose]();
    await sshd.remove();
  };
  return { sshd, environment, stateDirectory, cleanUp };
}

if (skip === undefined) {
  environmentSuite('ssh', remote);
} else {
  describe('environment ssh', () => {
    it(`is skipped: ${skip}`, function () {
      this.skip();
    });
  });
}

executorSuite('process over ssh', async () => {
  if (skip !== undefined) return { ...nothing(skip), create: () => Promise.reject(new Error(skip)) };
  const { environment, cleanUp } = await remote();
  return {
    create: () => processExecutor.create({}, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec: { environment: 'there' },
    cleanUp,
  };
});

executorSuite('container over ssh', async () => {
  const why = skip ?? whyNot();
  if (why !== undefined) return { ...nothing(why), create: () => Promise.reject(new Error(why)) };
  const { environment, stateDirectory, cleanUp } = await remote();
  const rootfs = await makeRootfs(stateDirectory);
  return {
    create: () => containerExecutor.create({ criuDirectory }, { environment, log: () => {} }),
    loader: initLoader.create({}),
    spec: { ...specOf(rootfs), environment: 'there' },
    cleanUp: async () => {
      await cleanUp();
      await rm(rootfs, { recursive: true, force: true });
    },
  };
});

function nothing(why: string) {
  return { loader: initLoader.create({}), skip: why, cleanUp: async () => {} };
}
