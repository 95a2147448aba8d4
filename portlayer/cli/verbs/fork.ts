import type { Command } from 'commander';
import type { ConstraintPolicy, ForkOutcome, ForkSource } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { constraintsOption } from '../constraints-option.js';
import type { Shell } from '../shell.js';
import { collectLabel, parseCount } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `fork` takes. */
interface Options {
  readonly count?: number;
  readonly namePrefix?: string;
  readonly label?: Record<string, string>;
  readonly constraints?: ConstraintPolicy;
  readonly on?: string;
}

/** `fork`: new containers from a checkpoint or a running container. */
export function forkVerb(context: VerbContext): Command {
  const command = newVerb(
    'fork',
    'Make copies of a checkpoint, or of a container, which is checkpointed first.',
  )
    .argument('<source>', 'a container, a checkpoint, or name:tag')
    .option('-n, --count <n>', 'how many (default: 1)', parseCount)
    .option('--name-prefix <prefix>', 'they are called PREFIX-1, PREFIX-2, …')
    .option('-l, --label <key=value>', 'can be repeated', collectLabel)
    .option('--on <environment>', 'where they are to run; default: where the checkpoint was taken')
    .addOption(constraintsOption());
  return doing(context, command, (name: string, options: Options) => async shell => {
    const { count, namePrefix, label, constraints, on } = options;
    const wanted = {
      ...(count !== undefined && { count }),
      ...(namePrefix !== undefined && { namePrefix }),
      ...(label && { labels: label }),
      ...(constraints && { constraintPolicy: constraints }),
      ...(on !== undefined && { environment: on }),
    };
    const outcomes: ForkOutcome[] = [];
    for await (const outcome of shell.client.fork(await sourceOf(shell, name), wanted)) {
      outcomes.push(outcome);
      await tell(shell, outcome);
    }
    if (shell.json) await shell.printJson(outcomes);
    return outcomes.some(each => 'failure' in each) ? 1 : 0;
  });
}

/** A container of that name wins over a checkpoint. */
async function sourceOf(shell: Shell, name: string): Promise<ForkSource> {
  if (name.includes(':')) return { checkpoint: name };
  try {
    await shell.client.getContainer(name);
    return { container: name };
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'NOT_FOUND') throw caught;
    return { checkpoint: name };
  }
}

async function tell(shell: Shell, outcome: ForkOutcome): Promise<void> {
  if ('failure' in outcome) {
    const { name, message, remedy } = outcome.failure;
    shell.complain(`${name}: ${message}${remedy ? `\n  what to do: ${remedy}` : ''}`);
  } else if (!shell.json) {
    const { spec, state } = outcome.container;
    await shell.print(shell.quiet ? spec.name : `${spec.name}   ${state}`);
  }
}
