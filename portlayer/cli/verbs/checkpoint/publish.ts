import type { Command } from 'commander';
import type { PublishOptions } from '../../../client/client.js';
import { collectLabel } from '../../values.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** What `checkpoint publish` takes. */
interface Options extends Omit<PublishOptions, 'labels'> {
  readonly label?: Record<string, string>;
}

/** `checkpoint publish`: names a checkpoint and tags it `parent`. */
export function publishVerb(context: VerbContext): Command {
  const command = newVerb('publish', 'Name a checkpoint, so that it can be run and forked like an image.')
    .argument('<checkpoint>')
    .argument('<name:tag>')
    .option('--move', 'take the name from the checkpoint that has it')
    .option('--immutable', 'the name may not be moved or taken back afterwards, but by force')
    .option('-l, --label <key=value>', 'added to its labels; can be repeated', collectLabel)
    .option('--force', 'also where its image holds secrets, or the name is immutable');
  return doing(context, command, (checkpoint: string, reference: string, options: Options) => async shell => {
    const { move = false, immutable = false, force = false, label } = options;
    const how = { move, immutable, force, ...(label && { labels: label }) };
    const published = await shell.client.publishCheckpoint(checkpoint, reference, how);
    await (shell.json ? shell.printJson(published) : shell.print(published.published ?? reference));
    return 0;
  });
}
