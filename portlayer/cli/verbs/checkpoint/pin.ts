import type { Command } from 'commander';
import { forEachName } from '../../each-name.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint pin`: keeps checkpoints from retention and from removal without force. */
export function pinVerb(context: VerbContext): Command {
  const command = newVerb('pin', 'Keep checkpoints: no retention takes them, and rm only with --force.')
    .argument('<checkpoints...>')
    .option('--off', 'take the pin away');
  return doing(
    context,
    command,
    (checkpoints: string[], { off = false }: { off?: boolean }) =>
      shell =>
        forEachName(shell, checkpoints, checkpoint => shell.client.pinCheckpoint(checkpoint, !off)),
  );
}
