import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `start`: starts created or exited containers. */
export function startVerb(context: VerbContext): Command {
  const command = newVerb('start', 'Start containers.').argument('<names...>');
  return doing(
    context,
    command,
    (names: string[]) => shell => forEachName(shell, names, name => shell.client.startContainer(name)),
  );
}
