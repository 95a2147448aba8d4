import type { Command } from 'commander';
import { openBar } from '../../progress-bar.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** `checkpoint coalesce`: folds a chain into one image. */
export function coalesceVerb(context: VerbContext): Command {
  const command = newVerb(
    'coalesce',
    'Fold what a checkpoint takes from others into its own image. Restores go on meanwhile.',
  ).argument('<checkpoint>');
  return doing(context, command, (checkpoint: string) => async shell => {
    const bar = openBar(shell, 'coalesce');
    try {
      for await (const step of shell.client.coalesceCheckpoint(checkpoint)) {
        if (step.kind === 'progress') bar.at(step.doneBytes, step.totalBytes);
        else await (shell.json ? shell.printJson(step.checkpoint) : shell.print(step.checkpoint.crid));
      }
    } finally {
      bar.end();
    }
    return 0;
  });
}
