import type { LoaderPlugin } from '../portlayer/plugin/loader.js';
import { initLoader } from './init/plugin.js';

/** The loaders that come with the port layer. */
export const builtinLoaders = [initLoader] as const satisfies readonly LoaderPlugin<never>[];
