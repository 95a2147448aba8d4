import type { Command } from 'commander';
import type { ImageVerdict } from '../../../client/client.js';
import { openBar } from '../../progress-bar.js';
import { parseDuration } from '../../values.js';
import { doing, newVerb, type VerbContext } from '../../verb.js';

/** What `checkpoint verify` takes. */
interface Options {
  readonly restore?: boolean;
  readonly for?: number;
  readonly probe?: string;
}

/** How long a copy must stay up where nothing else is said. */
const DRILL_MS = 5000;

/** `checkpoint verify`: every byte of one checkpoint, or of all; with `--restore` a copy of each is started too. */
export function verifyVerb(context: VerbContext): Command {
  const command = newVerb(
    'verify',
    'Check every byte of a checkpoint, or of all. Damaged ones are quarantined.',
  )
    .argument('[checkpoint]', 'default: every committed one')
    .option('--restore', 'also start a copy in a scratch container, and remove it')
    .option(
      '--for <duration>',
      'the copy must stay up, or end well, for so long (default: 5s)',
      parseDuration,
    )
    .option('--probe <command>', 'run in the copy by /bin/sh; it must end with 0');
  return doing(context, command, (checkpoint: string | undefined, options: Options) => async shell => {
    const probe = options.probe === undefined ? [] : ['/bin/sh', '-c', options.probe];
    const drill = options.restore ? { restoreForMs: options.for ?? DRILL_MS, probe } : undefined;
    const verdicts: ImageVerdict[] = [];
    const bar = openBar(shell, 'verify');
    try {
      for await (const verdict of shell.client.verifyCheckpoint(checkpoint, drill)) {
        verdicts.push(verdict);
        bar.at(verdict.done, verdict.total);
        if (shell.json) continue;
        if (verdict.error)
          await shell.print(`${verdict.crid}  ${verdict.error.code}: ${verdict.error.message}`);
        else await shell.print(shell.quiet ? verdict.crid : `${verdict.crid}  whole`);
      }
    } finally {
      bar.end();
    }
    if (shell.json) await shell.printJson(verdicts);
    return verdicts.some(({ error }) => error) ? 1 : 0;
  });
}
