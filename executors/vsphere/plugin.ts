import { checkAgainst } from '../../portlayer/model/schema-check.js';
import type { ExecutorPlugin } from '../../portlayer/plugin/executor.js';
import { type FullVsphereConfig, type VsphereConfig, vsphereConfigSchema } from './config.js';
import { createVsphereExecutor } from './executor.js';
import { vcenterOf } from './vcenter.js';

/** The executor `vsphere`: containers as virtual machines of a vCenter. */
export const vsphereExecutor: ExecutorPlugin<VsphereConfig> = {
  name: 'vsphere',
  apiVersion: 1,
  configSchema: vsphereConfigSchema,
  environments: ['vsphere'],
  async create(config, services) {
    const checked = checkAgainst<FullVsphereConfig>(
      'configuration of the executor vsphere',
      vsphereConfigSchema,
      config,
    );
    return createVsphereExecutor(vcenterOf(services.environment), checked, services.log);
  },
};
