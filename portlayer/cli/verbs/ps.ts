import type { Command } from 'commander';
import type { Container, ContainerState } from '../../client/client.js';
import { allPages } from '../pages.js';
import { printTable } from '../table.js';
import { humanAge } from '../units.js';
import { collectLabel } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

const RUNNING: readonly ContainerState[] = ['starting', 'running', 'paused', 'iterating', 'stopping'];

const COMMAND_WIDTH = 60;

/** What `ps` takes. */
interface PsOptions {
  readonly all?: boolean;
  readonly label?: Record<string, string>;
}

/** `ps`: lists containers. */
export function psVerb(context: VerbContext): Command {
  const command = newVerb('ps', 'List running containers.')
    .option('-a, --all', 'also those that do not run')
    .option('-l, --label <key[=value]>', 'only with this label; can be repeated', collectLabel);
  return doing(context, command, ({ all, label }: PsOptions) => async shell => {
    const filter = { ...(!all && { states: RUNNING }), ...(label && { labels: label }) };
    const containers = await allPages(paging => shell.client.listContainers({ ...paging, ...filter }));
    if (shell.json) await shell.printJson(containers);
    else if (shell.quiet) for (const each of containers) await shell.print(each.spec.name);
    else {
      const head = ['NAME', 'STATE', 'EXECUTOR', 'ITERATION', 'AGE', 'EXIT', 'COMMAND'];
      await printTable(
        shell,
        head,
        containers.map(each => row(each, shell.nowMs())),
      );
    }
    return 0;
  });
}

/** A script of many lines as one, cut to a width that leaves the table readable; `inspect` shows it whole. */
function shortened(command: string): string {
  const line = command.replace(/\s+/g, ' ');
  return line.length <= COMMAND_WIDTH ? line : `${line.slice(0, COMMAND_WIDTH - 1)}…`;
}

function row(container: Container, nowMs: number): string[] {
  const { spec, state, iteration, createdAt, exit } = container;
  const ended = exit && state === 'exited' ? `${exit.code} (${exit.reason})` : '-';
  const loop = spec.task.exitCode ? String(iteration) : '-';
  return [
    spec.name,
    state,
    spec.executor ?? '',
    loop,
    humanAge(createdAt, nowMs),
    ended,
    shortened(spec.task.argv.join(' ')),
  ];
}
