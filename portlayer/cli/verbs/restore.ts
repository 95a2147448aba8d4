import type { Command } from 'commander';
import type { ConstraintPolicy, RestoreOptions } from '../../client/client.js';
import { complainOfUnmet, constraintsOption } from '../constraints-option.js';
import { checkpointNamed } from '../series.js';
import { collectLabel } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `restore` takes. */
interface Options {
  readonly name?: string;
  readonly inPlace?: boolean;
  readonly label?: Record<string, string>;
  readonly constraints?: ConstraintPolicy;
  readonly on?: string;
}

/** `restore`: one container from a checkpoint. */
export function restoreVerb(context: VerbContext): Command {
  const command = newVerb('restore', 'Make a container from a checkpoint.')
    .argument(
      '<checkpoint>',
      'its id, 8 or more characters of it, name:tag, or a container: its newest (NAME~1: the one before)',
    )
    .option('--name <name>', "the container's; default: one is made")
    .option('--in-place', 'the exited container that it was taken of runs on from it')
    .option('-l, --label <key=value>', 'can be repeated', collectLabel)
    .option('--on <environment>', 'where it is to run; default: where the checkpoint was taken')
    .addOption(constraintsOption());
  return doing(
    context,
    command,
    (checkpoint: string, { name, inPlace, label, constraints, on }: Options) =>
      async shell => {
        const wanted: RestoreOptions = {
          ...(name !== undefined && { name }),
          ...(inPlace && { inPlace }),
          ...(label && { labels: label }),
          ...(constraints && { constraintPolicy: constraints }),
          fellBack: damaged =>
            shell.stderr.write(
              `${checkpoint} is damaged (${damaged}): its newest good ancestor is restored instead\n`,
            ),
          ...(on !== undefined && { environment: on }),
          unmet: verdicts => complainOfUnmet(shell, verdicts),
        };
        const container = await shell.client.restoreCheckpoint(
          await checkpointNamed(shell, checkpoint),
          wanted,
        );
        await (shell.json ? shell.printJson(container) : shell.print(container.spec.name));
        return 0;
      },
  );
}
