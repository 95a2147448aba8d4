import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `kill`: sends one signal to the task. */
export function killVerb(context: VerbContext): Command {
  const command = newVerb('kill', 'Send a signal to the tasks of containers.')
    .argument('<names...>')
    .option('-s, --signal <signal>', 'a name or a number (default: SIGKILL)');
  return doing(
    context,
    command,
    (names: string[], { signal }: { signal?: string }) =>
      shell =>
        forEachName(shell, names, name => shell.client.killContainer(name, signal)),
  );
}
