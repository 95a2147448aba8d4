import type { Command } from 'commander';
import { brief } from '../../brief.js';
import { printTable } from '../../table.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint check`: each thing that a restore requires, beside what is there. */
export function checkVerb(context: VerbContext): Command {
  const command = newVerb(
    'check',
    'Show whether a checkpoint can be restored: each thing that it requires, and what is there. Starts nothing; exits 1 where it does not fit.',
  )
    .argument('<checkpoint>', 'its id, 8 or more characters of it, or name:tag')
    .option('--on <environment>', 'default: the one it was taken in');
  return doing(context, command, (checkpoint: string, options: { on?: string }) => async shell => {
    const report = await shell.client.checkRestore(checkpoint, options.on);
    const { verdicts, fits, changes, unusable } = report;
    if (shell.json) await shell.printJson(report);
    else if (!shell.quiet) {
      const rows = verdicts.map(each => [
        each.level,
        brief(each.key),
        each.relation,
        brief(each.required),
        brief(each.found) || '-',
        each.met ? 'met' : 'UNMET',
      ]);
      await printTable(shell, ['LEVEL', 'KEY', 'RELATION', 'REQUIRED', 'FOUND', 'VERDICT'], rows);
      if (unusable !== undefined) shell.complain(`${report.environment} cannot be used: ${unusable}`);
      for (const { what } of changes) shell.complain(`what to do: ${what}`);
    }
    return fits ? 0 : 1;
  });
}
