import type { Command } from 'commander';
import type { Container } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { attach } from '../attach.js';
import { addSpecOptions, type SpecOptions, specOf } from '../spec-options.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `run` takes beside a spec. */
interface RunOptions extends SpecOptions {
  readonly detach?: boolean;
  readonly rm?: boolean;
}

function nameTaken({ spec, state }: Container): PortLayerError {
  return new PortLayerError('ALREADY_EXISTS', `There is a container ${spec.name} already.`, {
    required: 'a name that is free',
    found: `${spec.name} (${state})`,
    remedy: `Start it again with portlayer start ${spec.name}, or remove it with portlayer rm ${spec.name}.`,
  });
}

/** `run`: creates and starts a container; in the foreground it gives the task's output and exit code. */
export function runVerb(context: VerbContext): Command {
  const command = addSpecOptions(
    newVerb(
      'run',
      'Run a command in a new container. Ctrl-C interrupts the task; a second one leaves it running.',
    )
      .usage('[options] [--] COMMAND [ARG...]')
      .option('-d, --detach', 'print the name and leave it running')
      .option('--rm', 'remove the container when it has ended'),
  );
  return doing(context, command, (program: string, args: string[], options: RunOptions) => async shell => {
    if (options.detach && options.rm)
      command.error('error: --rm needs the foreground; leave out --detach', { exitCode: 2 });
    const container = await shell.client.createContainer(specOf(options, [program, ...args], shell.cwd));
    const { name } = container.spec;
    if (container.state !== 'created') throw nameTaken(container);
    const started = await shell.client.startContainer(name);
    if (options.detach) {
      await (shell.json ? shell.printJson(started) : shell.print(name));
      return 0;
    }
    const code = await attach(shell, name);
    // One that was left running stays.
    if (options.rm && code !== undefined) await shell.client.removeContainer(name, { force: true });
    return code ?? 130;
  });
}
