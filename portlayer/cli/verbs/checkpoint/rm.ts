import type { Command } from 'commander';
import { forEachName } from '../../each-name.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint rm`: removes checkpoints; what others need of them stays. */
export function rmVerb(context: VerbContext): Command {
  const command = newVerb(
    'rm',
    'Remove checkpoints. What other checkpoints and containers need of them stays.',
  )
    .argument('<checkpoints...>')
    .option('-f, --force', 'also published ones');
  return doing(
    context,
    command,
    (checkpoints: string[], { force = false }: { force?: boolean }) =>
      shell =>
        forEachName(shell, checkpoints, checkpoint => shell.client.removeCheckpoint(checkpoint, { force })),
  );
}
