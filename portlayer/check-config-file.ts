import { checkConfig } from './plugin/config-check.js';
import type { EnvironmentPlugin } from './plugin/environment.js';
import { atPlace, type ServiceConfig } from './read-config.js';

/** A plugin as far as its configuration goes. */
export interface ConfiguredPlugin {
  readonly name: string;
  readonly apiVersion: number;
  readonly configSchema: object;
}

/**
 * Checks every member of a configuration file against the schema of its plugin, or of its kind of environment. Throws
 * INVALID_SPEC with file, line and column of what does not fit. A kind that there is not is left to whoever makes it.
 */
export function checkConfigFile(
  config: ServiceConfig,
  plugins: readonly ConfiguredPlugin[],
  kinds: readonly EnvironmentPlugin[],
): void {
  const place = config.place ?? (() => '');
  const check = (path: readonly string[], plugin: ConfiguredPlugin | undefined, value: unknown): void => {
    if (plugin) atPlace(place, path, () => checkConfig(plugin, value));
  };
  const named = (name: string) => plugins.find(plugin => plugin.name === name);
  for (const [name, value] of Object.entries(config.plugins)) check([name], named(name), value);
  for (const [name, { kind, plugins: own = {}, ...settings }] of Object.entries(config.environments)) {
    const path = ['environments', name];
    const found = kinds.find(one => one.kind === kind);
    check(path, found && { ...found, name: `environment ${name}` }, settings);
    for (const [plugin, value] of Object.entries(own))
      check([...path, 'plugins', plugin], named(plugin), value);
  }
}
