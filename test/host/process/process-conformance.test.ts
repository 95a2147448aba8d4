import { mkdtemp, rm } from 'node:fs/promises';
import { initLoader } from '../../../loaders/init/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import { environmentSuite, executorSuite, loaderSuite } from '../../conformance/conformance.js';
import { initBinary, processSubject } from './subject.js';

const who = process.geteuid?.() === 0 ? 'root' : `user ${process.geteuid?.()}`;

environmentSuite(`local as ${who}`, async () => {
  const stateDirectory = await mkdtemp(`${process.env.PORTLAYER_TEST_DIRECTORY ?? '/var/tmp'}/pl-`);
  const environment = await createLocalEnvironment({ stateDirectory, initBinary });
  return { environment, cleanUp: () => rm(stateDirectory, { recursive: true, force: true }) };
});
loaderSuite('init', async () => ({ loader: initLoader.create({}) }));
executorSuite(`process as ${who}, strategy by trial`, () => processSubject({}));
executorSuite(`process as ${who}, disk copy`, () => processSubject({ disk: 'copy' }));
executorSuite(`process as ${who}, no namespaces`, () => processSubject({ namespaces: 'none' }));
