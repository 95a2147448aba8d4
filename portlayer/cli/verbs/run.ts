import type { Command } from 'commander';
import type { Container } from '../../client/client.js';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { attach } from '../attach.js';
import type { Shell } from '../shell.js';
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
      .usage('[options] [--] COMMAND [ARG...] | NAME:TAG')
      .option('-d, --detach', 'print the name and leave it running')
      .option('--rm', 'remove the container when it has ended'),
  );
  return doing(context, command, (program: string, args: string[], options: RunOptions) => async shell => {
    if (options.detach && options.rm)
      command.error('error: --rm needs the foreground; leave out --detach', { exitCode: 2 });
    const started = isReference(program)
      ? await runPublished(shell, program, args, options)
      : await runNew(shell, [program, ...args], options);
    const { name } = started.spec;
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

async function runNew(shell: Shell, argv: readonly string[], options: RunOptions): Promise<Container> {
  const container = await shell.client.createContainer(specOf(options, argv, shell.cwd));
  if (container.state !== 'created') throw nameTaken(container);
  const started = await shell.client.startContainer(container.spec.name);
  const { memo } = started;
  if (memo && !shell.quiet)
    shell.complain(memo.hit ? `memo: hit ${memo.checkpoint}` : `memo: miss: ${memo.reason}`);
  return started;
}

/** A command of this form is written with its path. */
function isReference(program: string): boolean {
  return /^[a-z0-9][a-z0-9_.-]{0,62}:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,62}$/.test(program);
}

/** What of a container that runs on from a checkpoint is its own. */
const OWN = ['name', 'label', 'detach', 'rm', 'trigger'];

async function runPublished(
  shell: Shell,
  reference: string,
  args: readonly string[],
  options: RunOptions,
): Promise<Container> {
  const stray = Object.keys(options).filter(key => !OWN.includes(key) && !COMMON.includes(key));
  if (args.length > 0 || stray.length > 0 || !options.trigger) {
    throw new PortLayerError(
      'INVALID_SPEC',
      `${reference} is a checkpoint: it has its command and its settings.`,
      {
        required: '--name, --label, --detach or --rm',
        found: [
          ...(args.length > 0 ? ['arguments'] : []),
          ...stray,
          ...(options.trigger ? [] : ['no-trigger']),
        ].join(', '),
        remedy: 'Leave them out; to run a command of such a name, write its path.',
        facts: { field: 'command' },
      },
    );
  }
  return shell.client.restoreCheckpoint(reference, {
    ...(options.name !== undefined && { name: options.name }),
    ...(options.label && { labels: options.label }),
  });
}

const COMMON = ['address', 'output', 'quiet', 'tlsCa', 'tlsCert', 'tlsKey'];
