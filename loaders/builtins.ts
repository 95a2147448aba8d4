import type { LoaderPlugin } from '../portlayer/plugin/loader.js';
import { dmtcpLoader } from './dmtcp/plugin.js';
import { initLoader } from './init/plugin.js';
import { kernelLoader } from './kernel/plugin.js';

/** The loaders that come with the port layer. */
export const builtinLoaders = [
  initLoader,
  kernelLoader,
  dmtcpLoader,
] as const satisfies readonly LoaderPlugin<never>[];
