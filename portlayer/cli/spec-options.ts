import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ContainerSpec, ExitCode, Memo, Secret, Volume } from '../client/client.js';
import { makeName } from './names.js';
import {
  collect,
  collectEnv,
  collectEnvFile,
  collectLabel,
  collectOption,
  parseCount,
  parseCpus,
  parseDuration,
  parseSize,
  parseUser,
} from './values.js';

/** What `run` and `create` take to make a spec of. */
export interface SpecOptions {
  readonly name?: string;
  readonly label?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly envFile?: Record<string, string>;
  readonly volume?: readonly Volume[];
  readonly workdir?: string;
  readonly user?: { uid: number; gid: number };
  readonly cpus?: number;
  readonly memory?: number;
  readonly pidsLimit?: number;
  readonly network?: 'host' | 'none';
  readonly rootfs?: string;
  readonly hostname?: string;
  readonly executor?: string;
  readonly executorOption?: Record<string, unknown>;
  readonly loader?: string;
  readonly environment?: string;
  readonly checkpointExit?: number;
  readonly completeExit?: number;
  readonly checkpointSignal?: string;
  readonly checkpointTimeout?: number;
  readonly maxIterations?: number;
  readonly maxDuration?: number;
  readonly trigger: boolean;
  readonly logMaxSize?: number;
  readonly secret?: readonly Secret[];
  readonly memo?: boolean;
  readonly memoInput?: readonly string[];
  readonly memoIgnoreEnv?: readonly string[];
  readonly memoTtl?: number;
}

/** Adds the options of {@link SpecOptions}; options end where the command begins. */
export function addSpecOptions(command: Command): Command {
  return command
    .argument(
      '<command>',
      'the program; a relative path with a slash is taken from here, where there is no --rootfs',
    )
    .argument('[args...]')
    .passThroughOptions()
    .option('--name <name>', 'default: one is made')
    .option('-l, --label <key=value>', 'can be repeated', collectLabel)
    .option('-e, --env <key=value>', 'can be repeated; KEY alone passes its value on', collectEnv)
    .option('--env-file <file>', 'lines of KEY=VALUE', collectEnvFile)
    .option('-v, --volume <src:dst[:ro]>', 'a host directory or file inside; can be repeated', collectVolume)
    .option('-w, --workdir <directory>', 'inside; default: / with --rootfs, else the state directory')
    .option('-u, --user <uid[:gid]>', 'numeric', parseUser)
    .option('--cpus <n>', 'for example 0.5', parseCpus)
    .option('-m, --memory <size>', 'for example 512m', parseSize)
    .option('--pids-limit <n>', 'processes and threads', parseCount)
    .addOption(
      new Option(
        '--network <network>',
        "the host's, or one of its own with loopback only; default: none for the executor container",
      ).choices(['host', 'none']),
    )
    .option('--rootfs <directory>', "default: the host's own root, read-only, with a state directory")
    .option('--hostname <name>')
    .option('--executor <name>', 'default: process')
    .option(
      '--executor-option <key=value>',
      'of that executor, for example standby=2; JSON where it is more than a word; can be repeated',
      collectOption,
    )
    .option('--loader <name>', 'default: init')
    .option('--environment <name>', 'default: local')
    .option(
      '--checkpoint-exit <code>',
      'the task checkpoints itself: this exit code means "run me again"',
      parseCount,
    )
    .option('--complete-exit <code>', 'this one means "done" (default: 0)', parseCount)
    .option('--checkpoint-signal <signal>', 'asks the task for a checkpoint (default: SIGUSR2)')
    .option('--checkpoint-timeout <duration>', 'from that signal to its exit (default: 30s)', parseDuration)
    .option('--max-iterations <n>', 'the loop is stopped after so many (default: 100000)', parseCount)
    .option('--max-duration <duration>', 'the loop is stopped after so long', parseDuration)
    .option('--no-trigger', 'the task may not ask for checkpoints itself')
    .option('--log-max-size <size>', 'of one log file, for example 16m', parseSize)
    .option(
      '--secret <name,source=FILE[,env=VAR][,target=PATH]>',
      'a value read from a file at each start and restore, part of no record; can be repeated',
      collectSecret,
    )
    .option(
      '--memo',
      'start from what an equal container captured when it was ready, where there is such an entry',
    )
    .option('--memo-input <path>', 'a file or directory whose content counts; can be repeated', collect)
    .option('--memo-ignore-env <name>', 'a variable that does not count; can be repeated', collect)
    .option('--memo-ttl <duration>', 'an older entry is not used (default: 7d)', parseDuration);
}

/**
 * The spec of what was asked. The container starts in its own state directory, so `./task` of here would not be found
 * there: without a root file system of its own, a relative path with a slash is made absolute.
 */
export function specOf(options: SpecOptions, argv: readonly string[], cwd: string): ContainerSpec {
  const [program = '', ...args] = argv;
  const relative = program.includes('/') && !program.startsWith('/') && options.rootfs === undefined;
  const exitCode = exitCodeOf(options);
  const resources = defined({ cpus: options.cpus, memoryBytes: options.memory, pids: options.pidsLimit });
  return {
    name: options.name ?? makeName(),
    task: {
      argv: [relative ? resolve(cwd, program) : program, ...args],
      env: { ...options.envFile, ...options.env },
      ...defined({ cwd: options.workdir, user: options.user, exitCode }),
    },
    ...(Object.keys(resources).length > 0 && { resources }),
    ...(options.rootfs !== undefined && { rootfs: resolve(cwd, options.rootfs) }),
    ...(options.logMaxSize !== undefined && { log: { maxBytes: options.logMaxSize } }),
    ...(!options.trigger && { trigger: { allow: false } }),
    ...(options.secret && { secrets: options.secret.map(s => ({ ...s, source: resolve(cwd, s.source) })) }),
    ...(options.memo && { memo: memoOf(options, cwd) }),
    ...defined({
      labels: options.label,
      volumes: options.volume?.map(volume => ({ ...volume, source: resolve(cwd, volume.source) })),
      network: options.network,
      hostname: options.hostname,
      executor: options.executor,
      executorOptions: options.executorOption,
      loader: options.loader,
      environment: options.environment,
    }),
  };
}

function memoOf({ memoInput, memoIgnoreEnv, memoTtl }: SpecOptions, cwd: string): Memo {
  return defined({
    inputs: memoInput?.map(path => resolve(cwd, path)),
    ignoreEnv: memoIgnoreEnv,
    ttlMs: memoTtl,
  });
}

function collectSecret(text: string, before: readonly Secret[] = []): readonly Secret[] {
  const [name = '', ...parts] = text.split(',');
  const given = Object.fromEntries(
    parts.map(part => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
  const { source, env, target, ...rest } = given;
  if (name === '' || !source || (!env && !target) || Object.keys(rest).length > 0)
    throw new InvalidArgumentError('Write NAME,source=FILE and env=VAR or target=PATH.');
  return [...before, { name, source, ...(env && { env }), ...(target && { target }) }];
}

function exitCodeOf(options: SpecOptions): ExitCode | undefined {
  const exitCode = defined({
    checkpoint: options.checkpointExit,
    complete: options.completeExit,
    signal: options.checkpointSignal,
    signalTimeoutMs: options.checkpointTimeout,
    maxIterations: options.maxIterations,
    maxDurationMs: options.maxDuration,
  });
  return Object.keys(exitCode).length > 0 ? exitCode : undefined;
}

function collectVolume(text: string, before: readonly Volume[] = []): readonly Volume[] {
  const [source, target, mode, ...rest] = text.split(':');
  const legal =
    source && target && rest.length === 0 && (mode === undefined || mode === 'ro' || mode === 'rw');
  if (!legal) throw new InvalidArgumentError('Write SOURCE:TARGET or SOURCE:TARGET:ro.');
  return [...before, { source, target, readOnly: mode === 'ro' }];
}

/** The object without its undefined members. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
