import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `unpause`: gives containers back the CPU of their spec. */
export function unpauseVerb(context: VerbContext): Command {
  const command = newVerb('unpause', 'Let paused containers run on.').argument('<names...>');
  return doing(
    context,
    command,
    (names: string[]) => shell => forEachName(shell, names, name => shell.client.bindContainer(name, {})),
  );
}
