import { ulid } from 'ulid';
import type { EnvironmentPlugin } from '../../plugin/environment.js';
import { serviceId } from './service-id.js';
import { createSshEnvironment } from './ssh-environment.js';
import { type SshConfig, sshConfigSchema } from './ssh-options.js';

/** The environment kind `ssh`: a remote Linux host with nothing on it but an SSH server and what its executors need. */
export const sshEnvironment: EnvironmentPlugin<SshConfig> = {
  kind: 'ssh',
  apiVersion: 1,
  configSchema: sshConfigSchema,
  async create(config, services) {
    const { name, initBinary, log } = services;
    // Whoever only looks must not take a service's place.
    const owner = services.looking ? `look-${ulid()}` : await serviceId(services.stateDirectory);
    return createSshEnvironment({ name, config, initBinary, owner, log });
  },
};
