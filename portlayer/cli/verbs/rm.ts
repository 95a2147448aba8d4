import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `rm`: removes containers; their checkpoints stay. */
export function rmVerb(context: VerbContext): Command {
  const command = newVerb('rm', 'Remove containers. Their checkpoints stay.')
    .argument('<names...>')
    .option('-f, --force', 'end them first where they run');
  return doing(
    context,
    command,
    (names: string[], { force = false }: { force?: boolean }) =>
      shell =>
        forEachName(shell, names, name => shell.client.removeContainer(name, { force })),
  );
}
