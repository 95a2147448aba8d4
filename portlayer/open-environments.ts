import { PortLayerError } from './errors/port-layer-error.js';
import { checkName } from './model/ids.js';
import { checkConfig } from './plugin/config-check.js';
import type { Environment, EnvironmentPlugin, EnvironmentServices } from './plugin/environment.js';
import type { EnvironmentEntry } from './read-config.js';

/**
 * Makes the environments that the configuration names, each by the plugin of its kind. Throws INVALID_SPEC naming the
 * environment whose kind there is not, or whose settings do not fit; what had been made is closed again.
 */
export async function openEnvironments(
  entries: Readonly<Record<string, EnvironmentEntry>>,
  kinds: readonly EnvironmentPlugin[],
  services: Omit<EnvironmentServices, 'name'>,
): Promise<readonly Environment[]> {
  const made: Environment[] = [];
  try {
    for (const [name, { kind, plugins: _, ...settings }] of Object.entries(entries)) {
      checkName(`environments.${name}`, name);
      const plugin = kinds.find(one => one.kind === kind);
      if (!plugin) throw unknownKind(name, kind, kinds);
      const config = checkConfig({ ...plugin, name: `environment ${name}` }, settings);
      const log = (message: string) => services.log(`${name}: ${message}`);
      made.push(await plugin.create(config, { ...services, name, log }));
    }
    return made;
  } catch (caught) {
    for (const environment of made) await environment[Symbol.asyncDispose]();
    throw caught;
  }
}

function unknownKind(name: string, kind: string, kinds: readonly EnvironmentPlugin[]): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The environment ${name} is of a kind that there is not.`, {
    required: `one of ${kinds.map(one => one.kind).join(', ') || 'none: no kind can be configured'}`,
    found: kind,
    remedy: 'Correct its kind in the configuration. The environment local is always there.',
    facts: { field: `environments.${name}.kind` },
  });
}
