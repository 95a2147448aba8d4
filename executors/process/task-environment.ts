/** What the init takes away from the names of a task's environment; see `--env-prefix`. */
export const taskEnvPrefix = 'PORTLAYER_ENV_';

/**
 * A task's environment under names that mean nothing to the host's programs on the way to it (`LD_PRELOAD`, `PATH`).
 * The environment, not the command line: that can be read by every user of the host.
 */
export function taskEnvironment(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${taskEnvPrefix}${name}`, value]));
}
