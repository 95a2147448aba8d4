import type { Command } from 'commander';
import type { TargetReport } from '../../../client/client.js';
import { brief } from '../../brief.js';
import { printTable } from '../../table.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint targets`: where a checkpoint could be restored, and what would have to change elsewhere. */
export function targetsVerb(context: VerbContext): Command {
  const command = newVerb(
    'targets',
    'Show in which environments a checkpoint can be restored, and the smallest change that would make the others fit.',
  ).argument('<checkpoint>', 'its id, 8 or more characters of it, or name:tag');
  return doing(context, command, (checkpoint: string) => async shell => {
    const targets = await shell.client.listTargets(checkpoint);
    if (shell.json) await shell.printJson(targets);
    else if (shell.quiet) {
      for (const { fits, environment } of targets) if (fits) await shell.print(environment);
    } else {
      await printTable(shell, ['ENVIRONMENT', 'FITS', 'UNMET', 'CHANGE'], targets.flatMap(rows));
    }
    return 0;
  });
}

function rows({ environment, fits, changes, unusable }: TargetReport): string[][] {
  if (fits) return [[environment, 'yes', '-', '-']];
  const [first, ...more] = changes.map(({ what, meets }) => [brief(meets.join(', ')), what]);
  const note = unusable === undefined ? [] : [['', '', '', `It cannot be used: ${unusable}`]];
  return [[environment, 'no', ...(first ?? ['', ''])], ...more.map(each => ['', '', ...each]), ...note];
}
