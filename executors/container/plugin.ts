import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import { type ContainerConfig, containerConfigSchema } from './config.js';
import { createContainerExecutor } from './executor.js';
import { surveyPlace } from './place.js';

/** The executor `container`: OCI containers by runc, with the mechanism `criu`. */
export const containerExecutor: ExecutorPlugin<ContainerConfig> = {
  name: 'container',
  apiVersion: 1,
  configSchema: containerConfigSchema,
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
    const what = 'configuration of the executor container';
    const checked = checkAgainst<ContainerConfig>(what, containerConfigSchema, config);
    return createContainerExecutor(await surveyPlace(host, checked), services.log);
  },
};
