import type { Command } from 'commander';
import { addSpecOptions, type SpecOptions, specOf } from '../spec-options.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** `create`: a container that does not run yet. */
export function createVerb(context: VerbContext): Command {
  const command = addSpecOptions(
    newVerb('create', 'Create a container without starting it.').usage('[options] [--] COMMAND [ARG...]'),
  );
  return doing(context, command, (program: string, args: string[], options: SpecOptions) => async shell => {
    const container = await shell.client.createContainer(specOf(options, [program, ...args], shell.cwd));
    await (shell.json ? shell.printJson(container) : shell.print(container.spec.name));
    return 0;
  });
}
