import type { Command } from 'commander';
import { printable } from '../table.js';
import { parseCount } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `events`: what happened to containers and checkpoints. */
export function eventsVerb(context: VerbContext): Command {
  const command = newVerb('events', 'Show what happened to containers and checkpoints.')
    .option(
      '--since <sequence>',
      'from this sequence number on (default: the first; with --follow: from now on)',
      parseCount,
    )
    .option('-f, --follow', 'go on as they happen');
  return doing(
    context,
    command,
    ({ since, follow = false }: { since?: number; follow?: boolean }) =>
      async shell => {
        const from = since ?? (follow ? 0 : 1);
        for await (const event of shell.client.streamEvents({ since: from, follow })) {
          if (shell.json) {
            await shell.printJson(event, 'line');
            continue;
          }
          const { sequence, at, subject, id, type, facts } = event;
          const known = Object.entries(facts).map(([key, value]) => `${key}=${value}`);
          await shell.print(printable([sequence, at.toISOString(), subject, id, type, ...known].join(' ')));
        }
        return 0;
      },
  );
}
