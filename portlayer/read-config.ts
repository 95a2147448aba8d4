import { readFile } from 'node:fs/promises';
import { PortLayerError } from './errors/port-layer-error.js';
import { checkAgainst } from './model/schema-check.js';

/** Configuration of plugins, by their names: each is checked against its plugin's own schema. */
export type PluginConfig = Readonly<Record<string, unknown>>;

/** One environment beside `local`, as the configuration names it; what else it has is its kind's own. */
export interface EnvironmentEntry extends Readonly<Record<string, unknown>> {
  readonly kind: string;
  /** Configuration of plugins in this environment only; each member replaces the file's own one. */
  readonly plugins?: PluginConfig;
}

/** What a configuration file says. */
export interface ServiceConfig {
  readonly plugins: PluginConfig;
  /** By their names. */
  readonly environments: Readonly<Record<string, EnvironmentEntry>>;
  /** Of the image store; checked where it is used. */
  readonly store?: unknown;
}

const environmentsSchema = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['kind'],
    properties: { kind: { type: 'string' }, plugins: { type: 'object' } },
  },
} as const;

/**
 * Reads a configuration file: one JSON object, a member for each plugin, `environments`, `store`, and `api`, which
 * `readApiConfig` reads. Throws INVALID_SPEC where
 * it is not there, is not such an object, or names a plugin that there is not.
 *
 * @param known the names of the plugins there are
 */
export async function readConfig(path: string, known: readonly string[]): Promise<ServiceConfig> {
  const { environments = {}, api: _, store, ...plugins } = parse(path, await read(path));
  const entries = checkAgainst<ServiceConfig['environments']>(
    `environments in ${path}`,
    environmentsSchema,
    environments,
  );
  requireKnown(path, plugins, known, '');
  for (const [name, entry] of Object.entries(entries))
    requireKnown(path, entry.plugins ?? {}, known, `environments.${name}.plugins.`);
  return { plugins, environments: entries, ...(store === undefined ? {} : { store }) };
}

function requireKnown(path: string, plugins: PluginConfig, known: readonly string[], place: string): void {
  const stray = Object.keys(plugins).find(name => !known.includes(name));
  if (stray === undefined) return;
  throw new PortLayerError('INVALID_SPEC', `The configuration ${path} names a plugin that there is not.`, {
    required: `one of ${known.join(', ')}`,
    found: stray,
    remedy: 'Correct the name, or load the plugin with --plugin.',
    facts: { field: place + stray },
  });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function parse(path: string, text: string): PluginConfig {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as PluginConfig;
  throw unreadable(path, 'JSON, but no object');
}

function unreadable(path: string, found: string, cause?: unknown): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The configuration ${path} cannot be used.`, {
    required: 'a JSON object with a member for each plugin, for example {"process": {"disk": "copy"}}',
    found,
    remedy: 'Correct the path or the file.',
    facts: { field: 'config' },
    cause,
  });
}
