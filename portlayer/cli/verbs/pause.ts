import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `pause`: binds containers with zero CPU. */
export function pauseVerb(context: VerbContext): Command {
  const command = newVerb('pause', 'Pause containers: bind them with zero CPU.').argument('<names...>');
  return doing(
    context,
    command,
    (names: string[]) => shell =>
      forEachName(shell, names, name => shell.client.bindContainer(name, { cpus: 0 })),
  );
}
