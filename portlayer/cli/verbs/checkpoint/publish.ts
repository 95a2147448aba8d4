import type { Command } from 'commander';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint publish`: names a checkpoint and tags it `parent`. */
export function publishVerb(context: VerbContext): Command {
  const command = newVerb('publish', 'Name a checkpoint, so that it can be forked like an image.')
    .argument('<checkpoint>')
    .argument('<name:tag>')
    .option('--move', 'take the name from the checkpoint that has it');
  return doing(
    context,
    command,
    (checkpoint: string, reference: string, options: { move?: boolean }) => async shell => {
      const published = await shell.client.publishCheckpoint(checkpoint, reference, {
        move: options.move ?? false,
      });
      await (shell.json ? shell.printJson(published) : shell.print(published.published ?? reference));
      return 0;
    },
  );
}
