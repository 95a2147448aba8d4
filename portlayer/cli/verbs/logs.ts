import type { Command } from 'commander';
import type { LogQuery } from '../../client/client.js';
import { write } from '../shell.js';
import { parseCount, parseMoment } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `logs` takes. */
interface LogsOptions extends LogQuery {
  readonly timestamps?: boolean;
}

/** `logs`: what the task wrote; its stdout to stdout, its stderr to stderr. */
export function logsVerb(context: VerbContext): Command {
  const command = newVerb('logs', 'Show what the task wrote.')
    .argument('<name>')
    .option('-f, --follow', 'go on as it comes')
    .option('-n, --tail <n>', 'only the newest lines', parseCount)
    .option('--since <time>', 'RFC 3339, or so long ago: 10m', parseMoment)
    .option('-t, --timestamps');
  return doing(
    context,
    command,
    (name: string, { follow = false, tail, since, timestamps }: LogsOptions) =>
      async shell => {
        const query = { follow, ...(tail !== undefined && { tail }), ...(since && { since }) };
        const begun = { stdout: true, stderr: true };
        for await (const entry of shell.client.streamLogs(name, query)) {
          const { stream, at, text, endsLine } = entry;
          if (shell.json) await shell.printJson(entry, 'line');
          else {
            const time = timestamps && begun[stream] ? `${at.toISOString()} ` : '';
            await write(shell[stream], `${time}${text}${endsLine ? '\n' : ''}`);
          }
          begun[stream] = endsLine;
        }
        return 0;
      },
  );
}
