import type { Command } from 'commander';
import { printTable } from '../../table.js';
import { humanSize } from '../../units.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint diff`: what two checkpoints do not have alike. */
export function diffVerb(context: VerbContext): Command {
  const command = newVerb('diff', 'Show which files of two checkpoints differ, and in how many bytes.')
    .argument('<from>')
    .argument('<to>');
  return doing(context, command, (from: string, to: string) => async shell => {
    const files = await shell.client.diffCheckpoints(from, to);
    if (shell.json) await shell.printJson(files);
    else if (shell.quiet) for (const { path } of files) await shell.print(path);
    else {
      const rows = files.map(file => [
        file.kind,
        file.path,
        humanSize(file.fromBytes),
        humanSize(file.toBytes),
        humanSize(file.changedBytes),
      ]);
      await printTable(shell, ['WHAT', 'FILE', 'FROM', 'TO', 'CHANGED'], rows);
    }
    return 0;
  });
}
