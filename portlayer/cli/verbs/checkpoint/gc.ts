import type { Command } from 'commander';
import type { Garbage } from '../../../client/client.js';
import { humanSize } from '../../units.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint gc`: frees what no checkpoint needs. */
export function gcVerb(context: VerbContext): Command {
  const command = newVerb(
    'gc',
    'Free what nobody needs: data of removed checkpoints, copies beyond the limit, what killed runs left.',
  )
    .option('--dry-run', 'only tell what it would free, and how many bytes')
    .option('--copies', 'also every dump and layer on disk that committed images hold too');
  return doing(context, command, (options: { dryRun?: boolean; copies?: boolean }) => async shell => {
    const found: Garbage[] = [];
    for await (const garbage of shell.client.collectGarbage(options)) {
      found.push(garbage);
      if (shell.json) continue;
      await shell.print(
        shell.quiet ? garbage.id : `${garbage.kind}  ${garbage.id}  ${humanSize(garbage.bytes)}`,
      );
    }
    const bytes = found.reduce((sum, garbage) => sum + garbage.bytes, 0);
    if (shell.json) await shell.printJson({ dryRun: options.dryRun ?? false, bytes, found });
    else if (!shell.quiet)
      await shell.print(`${options.dryRun ? 'would free' : 'freed'} ${humanSize(bytes)}`);
    return 0;
  });
}
