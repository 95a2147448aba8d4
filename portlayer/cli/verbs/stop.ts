import type { Command } from 'commander';
import { forEachName } from '../each-name.js';
import { parseDuration } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `stop`: SIGTERM, then SIGKILL. */
export function stopVerb(context: VerbContext): Command {
  const command = newVerb('stop', 'Stop containers: SIGTERM, then SIGKILL.')
    .argument('<names...>')
    .option('-t, --time <duration>', 'from SIGTERM to SIGKILL (default: 10s)', parseDuration);
  return doing(
    context,
    command,
    (names: string[], { time }: { time?: number }) =>
      shell =>
        forEachName(shell, names, name =>
          shell.client.stopContainer(name, time === undefined ? {} : { graceMs: time }),
        ),
  );
}
