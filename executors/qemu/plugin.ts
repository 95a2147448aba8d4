import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import { type FullQemuConfig, type QemuConfig, qemuConfigSchema } from './config.js';
import { createQemuExecutor } from './executor.js';
import { surveyPlace } from './place.js';
import { sweepStandbys } from './standby/pool.js';

/** The executor `qemu`: virtual machines, with the mechanism `vmfork`. */
export const qemuExecutor: ExecutorPlugin<QemuConfig> = {
  name: 'qemu',
  apiVersion: 1,
  configSchema: qemuConfigSchema,
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
    const checked = checkAgainst<FullQemuConfig>(
      'configuration of the executor qemu',
      qemuConfigSchema,
      config,
    );
    const place = await surveyPlace(host, checked);
    await sweepStandbys(place);
    return createQemuExecutor(place, services.log);
  },
};
