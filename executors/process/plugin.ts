import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import { type ProcessConfig, processConfigSchema } from './config.js';
import { createProcessExecutor } from './executor.js';
import { surveyPlace } from './place.js';

/** The executor `process`: Linux processes in namespaces, as root or not, on any Linux host. */
export const processExecutor: ExecutorPlugin<ProcessConfig> = {
  name: 'process',
  apiVersion: 1,
  configSchema: processConfigSchema,
  environments: ['local', 'ssh'],
  async create(config, services) {
    const { host, name } = services.environment;
    if (!host) {
      throw new PortLayerError('CAPABILITY_MISSING', `The environment ${name} is no Linux host.`, {
        required: 'an environment of kind local or ssh',
        found: services.environment.kind,
        remedy: 'Choose another environment or executor.',
      });
    }
    const checked = checkAgainst<ProcessConfig>(
      'configuration of the executor process',
      processConfigSchema,
      config,
    );
    return createProcessExecutor(await surveyPlace(host, checked));
  },
};
