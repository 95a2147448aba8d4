import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Environment } from '../../portlayer/plugin/environment.js';
import type { VimClient } from './vim/client.js';
import type { Transport } from './vim/transport.js';

/** One vCenter, as its environment and its executor share it. */
export interface VCenter {
  readonly server: string;
  readonly vim: VimClient;
  readonly transport: Transport;
}

/** An environment of kind `vsphere`. */
export interface VsphereEnvironment extends Environment {
  readonly vcenter: VCenter;
}

/** The vCenter of an environment. Throws CAPABILITY_MISSING for an environment of another kind. */
export function vcenterOf(environment: Environment): VCenter {
  if (environment.kind === 'vsphere' && 'vcenter' in environment)
    return (environment as VsphereEnvironment).vcenter;
  throw new PortLayerError('CAPABILITY_MISSING', `The environment ${environment.name} is no vCenter.`, {
    required: 'an environment of kind vsphere',
    found: environment.kind,
    remedy: 'Choose another environment or executor.',
  });
}
