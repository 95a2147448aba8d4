import { Command, Option } from 'commander';
import { type Surroundings, type Work, withShell } from './shell.js';

/** Where verbs leave the exit code of what they ran. */
export interface Outcome {
  exitCode: number;
}

/** What each verb's file is given to make its command of. */
export interface VerbContext {
  readonly surroundings: Surroundings;
  readonly outcome: Outcome;
}

/** A verb with the options that every verb has; those for TLS are shown by `portlayer --help` alone. */
export function newVerb(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('--address <address>', 'the service (default: $PORTLAYER_ADDRESS, or its default socket)'),
    )
    .addOption(
      new Option('--output <format>', 'table for people, json for programs').choices(['table', 'json']),
    )
    .option('-q, --quiet', 'names and ids only')
    .addOption(new Option('--tls-ca <file>').hideHelp())
    .addOption(new Option('--tls-cert <file>').hideHelp())
    .addOption(new Option('--tls-key <file>').hideHelp());
}

/** Makes `work` what the verb does; what it returns becomes the exit code. */
export function doing<A extends unknown[]>(
  context: VerbContext,
  command: Command,
  work: (...args: A) => Work,
): Command {
  return command.action(async (...args: unknown[]) => {
    // Commander adds the options and the command to the arguments; the options are an argument of the verb.
    const given = args.slice(0, -1) as A;
    context.outcome.exitCode = await withShell(context.surroundings, command, work(...given));
  });
}

/** Makes `work` what a verb does that needs no running service. */
export function doingHere<A extends unknown[]>(
  context: VerbContext,
  command: Command,
  work: (...args: A) => Promise<number | undefined>,
): Command {
  return command.action(async (...args: unknown[]) => {
    context.outcome.exitCode = (await work(...(args.slice(0, -1) as A))) ?? 0;
  });
}
