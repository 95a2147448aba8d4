import type { Command } from 'commander';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint inspect`: everything known of a checkpoint, as JSON. */
export function inspectVerb(context: VerbContext): Command {
  const command = newVerb('inspect', 'Show everything of a checkpoint, as JSON.').argument('<checkpoint>');
  return doing(context, command, (checkpoint: string) => async shell => {
    await shell.printJson(await shell.client.getCheckpoint(checkpoint));
    return 0;
  });
}
