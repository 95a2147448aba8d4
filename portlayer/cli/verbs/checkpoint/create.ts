import type { Command } from 'commander';
import type { Checkpoint, CheckpointOptions } from '../../../client/client.js';
import { PortLayerError } from '../../../errors/port-layer-error.js';
import type { Shell } from '../../shell.js';
import { collectLabel } from '../../values.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** What `checkpoint create` takes. */
interface Options {
  readonly mechanism?: string;
  readonly label?: Record<string, string>;
  readonly captured?: boolean;
  readonly stop?: boolean;
}

/** `checkpoint create`: a checkpoint of a running container; Ctrl-C cancels it. */
export function createVerb(context: VerbContext): Command {
  const command = newVerb('create', 'Take a checkpoint of a container and print its id. Ctrl-C cancels it.')
    .argument('<container>')
    .option(
      '--mechanism <name>',
      'vmfork, criu, dmtcp or exit-code; default: the least constrained level that can',
    )
    .option('-l, --label <key=value>', 'can be repeated', collectLabel)
    .option('--captured', 'end as soon as it can be used here; it is made durable afterwards')
    .option('--stop', 'end the container with it');
  return doing(
    context,
    command,
    (container: string, { mechanism, label, captured, stop }: Options) =>
      async shell => {
        const checkpoint = await create(shell, container, {
          ...(mechanism !== undefined && { mechanism }),
          ...(label && { labels: label }),
          ...(captured && { durability: 'captured' }),
          ...(stop && { stopAfter: true }),
        });
        await (shell.json ? shell.printJson(checkpoint) : shell.print(checkpoint.crid));
        return 0;
      },
  );
}

async function create(shell: Shell, container: string, wanted: CheckpointOptions): Promise<Checkpoint> {
  const cancelling = new AbortController();
  const stopListening = shell.onInterrupt(() => cancelling.abort());
  const live = shell.stderr.isTTY && !shell.quiet && !shell.json;
  const entered: string[] = [];
  try {
    for await (const step of shell.client.createCheckpoint(container, wanted, {
      signal: cancelling.signal,
    })) {
      if (step.kind === 'checkpoint') return step.checkpoint;
      entered.push(step.state);
      // Back to the line's start, and clear the line.
      if (live) shell.stderr.write(`\r\x1b[K${entered.join(' → ')}`);
    }
  } finally {
    stopListening();
    if (live && entered.length > 0) shell.stderr.write('\n');
  }
  throw new PortLayerError('INTERNAL', 'The service ended the call without a checkpoint.', {
    remedy: 'See what became of it: portlayer checkpoint ls --all',
  });
}
