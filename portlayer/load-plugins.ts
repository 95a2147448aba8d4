import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PortLayerError } from './errors/port-layer-error.js';
import type { ExecutorPlugin } from './plugin/executor.js';
import type { LoaderPlugin } from './plugin/loader.js';

/** The plugins that modules of somebody else's brought. */
export interface LoadedPlugins {
  readonly executors: readonly ExecutorPlugin[];
  readonly loaders: readonly LoaderPlugin[];
}

/**
 * Loads modules that export `executor` (an `ExecutorPlugin`), `loader` (a `LoaderPlugin`), or both. Throws INVALID_SPEC
 * naming the module that is not there, cannot be loaded or exports neither; whether names clash the registry checks.
 *
 * @param modules paths, relative to the working directory
 */
export async function loadPlugins(modules: readonly string[]): Promise<LoadedPlugins> {
  const executors: ExecutorPlugin[] = [];
  const loaders: LoaderPlugin[] = [];
  for (const path of modules) {
    const exported = await importModule(path);
    if (isPlugin(exported.executor)) executors.push(exported.executor as ExecutorPlugin);
    if (isPlugin(exported.loader)) loaders.push(exported.loader as LoaderPlugin);
    if (isPlugin(exported.executor) || isPlugin(exported.loader)) continue;
    throw unusable(path, `exports ${Object.keys(exported).join(', ') || 'nothing'}`);
  }
  return { executors, loaders };
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  } catch (caught) {
    throw unusable(path, caught instanceof Error ? caught.message : String(caught), caught);
  }
}

function isPlugin(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    'apiVersion' in value &&
    'create' in value
  );
}

function unusable(path: string, found: string, cause?: unknown): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The plugin ${path} cannot be used.`, {
    required: 'a module that exports an executor or a loader (see portlayer/plugin)',
    found,
    remedy: 'Correct the path, or what the module exports.',
    facts: { field: 'plugin', plugin: path },
    cause,
  });
}
