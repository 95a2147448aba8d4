import { PortLayerError } from '../errors/port-layer-error.js';
import { checkAgainst } from '../model/schema-check.js';

/** A plugin's configuration with its defaults, checked against the schema it brings. Throws INVALID_SPEC naming the plugin. */
export function checkConfig<C>(
  plugin: { name: string; apiVersion: number; configSchema: object },
  config: unknown,
): C {
  if (plugin.apiVersion !== 1) {
    throw new PortLayerError(
      'INVALID_SPEC',
      `The plugin ${plugin.name} is made for another version of portlayer.`,
      {
        required: 'apiVersion 1',
        found: `apiVersion ${String(plugin.apiVersion)}`,
        remedy: 'Install the version of the plugin that fits this portlayer.',
      },
    );
  }
  return checkAgainst<C>(`configuration of ${plugin.name}`, plugin.configSchema, config ?? {});
}
