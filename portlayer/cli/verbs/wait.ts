import type { Command } from 'commander';
import type { ContainerExit } from '../../client/client.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `wait`: until containers have ended; prints their exit codes and ends with the last one. */
export function waitVerb(context: VerbContext): Command {
  const command = newVerb(
    'wait',
    "Wait until containers have ended, print their tasks' exit codes and exit with the last.",
  ).argument('<names...>');
  return doing(context, command, (names: string[]) => async shell => {
    const exits: (ContainerExit & { name: string })[] = [];
    for (const name of names) {
      const exit = await shell.client.waitContainer(name);
      exits.push({ name, ...exit });
      if (!shell.json) await shell.print(String(exit.code));
    }
    if (shell.json) await shell.printJson(exits);
    return exits.at(-1)?.code;
  });
}
