import type { Command } from 'commander';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `move` takes. */
interface Options {
  readonly to: string;
  readonly mechanism?: string;
}

/** `move`: a running container to another environment. */
export function moveVerb(context: VerbContext): Command {
  const command = newVerb(
    'move',
    'Take a running container to another environment. If anything fails it runs on where it was.',
  )
    .argument('<container>')
    .requiredOption('--to <environment>', 'where it is to run')
    .option('--mechanism <name>', 'how it is checkpointed; default: the planner chooses');
  return doing(context, command, (name: string, { to, mechanism }: Options) => async shell => {
    const moved = await shell.client.moveContainer(name, to, mechanism === undefined ? {} : { mechanism });
    if (shell.json) await shell.printJson(moved);
    else if (shell.quiet) await shell.print(name);
    else await shell.print(`${name} runs in ${to}; it stood still for ${Math.round(moved.downtimeMs)} ms.`);
    return 0;
  });
}
