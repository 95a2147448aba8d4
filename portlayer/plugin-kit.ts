import { join } from 'node:path';
import { packageRoot } from './package-root.js';

// What a plugin of somebody else's is written against: exported as `portlayer/plugin`. Its tests run the suites of
// `portlayer/conformance`; `portlayer serve --plugin MODULE` loads it.

export { createLocalEnvironment } from './environments/local/local-environment.js';
export { PortLayerError } from './errors/port-layer-error.js';
export type * from './model/capability.js';
export type * from './model/checkpoint-record.js';
export type * from './model/constraint.js';
export type * from './model/container-record.js';
export type * from './model/container-spec.js';
export type * from './model/fidelity.js';
export type * from './plugin/environment.js';
export type * from './plugin/executor.js';
export type * from './plugin/host.js';
export type * from './plugin/loader.js';
export type * from './plugin/mechanism.js';

/** Where the init of this package lies on this host: what `createLocalEnvironment` asks for. */
export function initBinary(): string {
  return join(packageRoot(), 'loaders/init/build/portlayer-init');
}
