import type { Command } from 'commander';
import { forEachName } from '../../each-name.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint commit`: makes captured checkpoints durable. */
export function commitVerb(context: VerbContext): Command {
  const command = newVerb('commit', 'Make captured checkpoints durable.').argument('<checkpoints...>');
  return doing(
    context,
    command,
    (checkpoints: string[]) => shell =>
      forEachName(shell, checkpoints, checkpoint => shell.client.commitCheckpoint(checkpoint)),
  );
}
