import type { Command } from 'commander';
import { forEachName } from '../../each-name.js';
import { allPages } from '../../pages.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** What `checkpoint rm` takes. */
interface Options {
  readonly force?: boolean;
  readonly container?: string;
}

/** `checkpoint rm`: removes checkpoints; what others need of them stays. */
export function rmVerb(context: VerbContext): Command {
  const command = newVerb(
    'rm',
    'Remove checkpoints. What other checkpoints and containers need of them stays.',
  )
    .argument('[checkpoints...]')
    .option('--container <name>', 'the whole series of this container, also of one that is gone')
    .option('-f, --force', 'also published ones');
  return doing(context, command, (given: string[], { force = false, container }: Options) => {
    if ((given.length === 0) === (container === undefined))
      command.error('error: name checkpoints, or a container with --container', { exitCode: 2 });
    return async shell => {
      const series =
        container === undefined
          ? []
          : await allPages(paging => shell.client.listCheckpoints({ ...paging, container }));
      const checkpoints = [...given, ...series.map(each => each.crid)];
      return forEachName(shell, checkpoints, checkpoint =>
        shell.client.removeCheckpoint(checkpoint, { force }),
      );
    };
  });
}
