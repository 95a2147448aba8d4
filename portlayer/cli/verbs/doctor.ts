import type { Command } from 'commander';
import type { LevelOffer } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { printLevels } from '../level-table.js';
import type { Shell } from '../shell.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `doctor` takes. */
interface DoctorOptions {
  readonly stateDir?: string;
  readonly config?: string;
  readonly rebuild?: boolean;
}

/** `doctor`: what each level can do here, what is missing and the command that would add it. */
export function doctorVerb(context: VerbContext): Command {
  const command = newVerb('doctor', 'Show what each level can do here, what is missing, and how to add it.')
    .option('--state-dir <directory>', 'of the service that does not run')
    .option('--config <file>', 'of the service that does not run')
    .option('--rebuild', 'make the catalog of a stopped service again from its checkpoints');
  return doing(context, command, (options: DoctorOptions) => async shell => {
    if (options.rebuild) return rebuild(shell, options.stateDir);
    const levels = await look(shell, options);
    if (shell.json) await shell.printJson(levels);
    else await printLevels(shell, levels, { remedies: true });
    return 0;
  });
}

async function look(shell: Shell, { stateDir, config }: DoctorOptions): Promise<readonly LevelOffer[]> {
  try {
    return await shell.client.listLevels({ refresh: true });
  } catch (caught) {
    if (PortLayerError.from(caught).code !== 'EXECUTOR_UNAVAILABLE') throw caught;
    shell.complain(`No service runs at ${shell.client.address}; looking from here.`);
    return (await shell.local()).doctor({ ...(stateDir && { stateDir }), ...(config && { config }) });
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

async function rebuild(shell: Shell, stateDir: string | undefined): Promise<number> {
  const summary = await (await shell.local()).rebuild(stateDir);
  if (shell.json) await shell.printJson(summary);
  else {
    await shell.print(
      `Found ${counted(summary.checkpoints, 'checkpoint')} and ${counted(summary.containers, 'container')}.`,
    );
    for (const problem of summary.problems) shell.complain(problem);
  }
  return summary.problems.length > 0 ? 1 : 0;
}
