import type { Command } from 'commander';
import { forEachName } from '../../each-name.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint unpublish`: takes the name back. */
export function unpublishVerb(context: VerbContext): Command {
  const command = newVerb('unpublish', 'Take the names of checkpoints back.')
    .argument('<checkpoints...>')
    .option('--force', 'also immutable ones');
  return doing(
    context,
    command,
    (checkpoints: string[], { force = false }: { force?: boolean }) =>
      shell =>
        forEachName(shell, checkpoints, checkpoint =>
          shell.client.publishCheckpoint(checkpoint, '', { force }),
        ),
  );
}
