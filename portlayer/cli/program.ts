import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { PortLayerError } from '../errors/port-layer-error.js';
import { packageRoot } from '../package-root.js';
import type { Surroundings } from './shell.js';
import type { Outcome, VerbContext } from './verb.js';
import { capabilitiesVerb } from './verbs/capabilities.js';
import { checkpointVerbs } from './verbs/checkpoint/checkpoint.js';
import { createVerb } from './verbs/create.js';
import { demoVerb } from './verbs/demo.js';
import { doctorVerb } from './verbs/doctor.js';
import { eventsVerb } from './verbs/events.js';
import { execVerb } from './verbs/exec.js';
import { forkVerb } from './verbs/fork.js';
import { inspectVerb } from './verbs/inspect.js';
import { killVerb } from './verbs/kill.js';
import { logsVerb } from './verbs/logs.js';
import { moveVerb } from './verbs/move.js';
import { pauseVerb } from './verbs/pause.js';
import { psVerb } from './verbs/ps.js';
import { restoreVerb } from './verbs/restore.js';
import { rmVerb } from './verbs/rm.js';
import { runVerb } from './verbs/run.js';
import { serveVerb } from './verbs/serve.js';
import { startVerb } from './verbs/start.js';
import { stopVerb } from './verbs/stop.js';
import { unpauseVerb } from './verbs/unpause.js';
import { updateVerb } from './verbs/update.js';
import { waitVerb } from './verbs/wait.js';

const HERE = [serveVerb, demoVerb, doctorVerb, capabilitiesVerb];
const CONTAINERS = [
  runVerb,
  createVerb,
  startVerb,
  psVerb,
  inspectVerb,
  logsVerb,
  waitVerb,
  stopVerb,
  killVerb,
  rmVerb,
];
const RUNNING = [execVerb, pauseVerb, unpauseVerb, updateVerb, eventsVerb];
const CHECKPOINTS = [checkpointVerbs, restoreVerb, forkVerb, moveVerb];

/**
 * Runs the command line.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage; `run`, `wait` and `exec` give the task's own
 */
export async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const outcome: Outcome = { exitCode: 0 };
  try {
    await createProgram({ surroundings, outcome }).parseAsync([...argv], { from: 'user' });
    return outcome.exitCode;
  } catch (caught) {
    if (caught instanceof CommanderError) return caught.exitCode === 0 ? 0 : 2;
    surroundings.stderr.write(`${PortLayerError.from(caught).describe()}\n`);
    return 1;
  }
}

function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function createProgram(context: VerbContext): Command {
  const { stdout, stderr } = context.surroundings;
  const program = new Command('portlayer')
    .description('Run containers on whatever is there, and checkpoint, restore and fork them.')
    .addOption(
      new Option('--address <address>', 'the service (default: $PORTLAYER_ADDRESS, or its default socket)'),
    )
    .addOption(
      new Option('--output <format>', 'table for people, json for programs').choices(['table', 'json']),
    )
    .option('-q, --quiet', 'names and ids only')
    .option('--tls-ca <file>', 'for tcp:HOST:PORT: who signed the service’s certificate ($PORTLAYER_TLS_CA)')
    .option('--tls-cert <file>', 'the certificate to call with ($PORTLAYER_TLS_CERT)')
    .option('--tls-key <file>', 'its key ($PORTLAYER_TLS_KEY)')
    .version(packageVersion(), '-V, --version', 'the version of this program')
    .enablePositionalOptions();
  const groups = {
    'This host:': HERE,
    'Containers:': CONTAINERS,
    'Running containers:': RUNNING,
    'Checkpoints:': CHECKPOINTS,
  };
  for (const [heading, verbs] of Object.entries(groups)) {
    for (const make of verbs) program.addCommand(make(context).helpGroup(heading));
  }
  // Settings are inherited by addCommand only when copied.
  const prepare = (command: Command) => {
    command.exitOverride().showHelpAfterError('(--help shows the usage)');
    command.configureOutput({ writeOut: text => stdout.write(text), writeErr: text => stderr.write(text) });
    for (const each of command.commands) prepare(each as Command);
  };
  prepare(program);
  return program;
}
