import { once } from 'node:events';
import type { Command } from 'commander';
import type { Client, ClientOptions } from '../client/client.js';
import type { LocalService } from './local-service.js';

/** A stream that text is written to; a terminal knows its width. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything the command line touches, so that a test can give it its own. */
export interface Surroundings {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly cwd: string;
  readonly nowMs: () => number;
  /** Calls back at each Ctrl-C until the returned function is called. */
  readonly onInterrupt: (interrupted: () => void) => () => void;
  /** A client of the service; `bin.ts` loads gRPC only here. */
  readonly connect: (options: ClientOptions) => Promise<Client>;
  readonly local: () => Promise<LocalService>;
}

/** The options that every verb has. */
export interface CommonOptions {
  readonly address?: string;
  readonly output?: 'table' | 'json';
  readonly quiet?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** What a verb works with: its surroundings, the common options and the service. */
export interface Shell extends Surroundings {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly client: Client;
  /** One line on stdout; waits where the reader is slow. */
  print(line: string): Promise<void>;
  /** One JSON value on stdout: indented, or on one line as an element of a stream. */
  printJson(value: unknown, form?: 'indented' | 'line'): Promise<void>;
  /** One line on stderr. */
  complain(line: string): void;
}

/** A verb's work; its number is the exit code, none is 0. */
export type Work = (shell: Shell) => Promise<number | undefined>;

/** Writes text and waits where the reader is slow. */
export async function write(output: Output, text: string | Uint8Array): Promise<void> {
  if (!output.write(text)) await once(output, 'drain');
}

/** The common options, given before or after the verb; after wins. */
export function commonOptions(command: Command): CommonOptions {
  const chain: Command[] = [];
  for (let each: Command | null = command; each; each = each.parent) chain.unshift(each);
  return Object.assign({}, ...chain.map(each => each.opts())) as CommonOptions;
}

/** The files that are given; one that is not is taken from the environment. */
function tlsOf({ tlsCa, tlsCert, tlsKey }: CommonOptions): Pick<ClientOptions, 'tls'> {
  const { PORTLAYER_TLS_CA, PORTLAYER_TLS_CERT, PORTLAYER_TLS_KEY } = process.env;
  const ca = tlsCa ?? PORTLAYER_TLS_CA;
  const cert = tlsCert ?? PORTLAYER_TLS_CERT;
  const key = tlsKey ?? PORTLAYER_TLS_KEY;
  return ca && cert && key ? { tls: { ca, cert, key } } : {};
}

/** Runs a verb's work against the service that the options name. */
export async function withShell(surroundings: Surroundings, command: Command, work: Work): Promise<number> {
  const options = commonOptions(command);
  await using client = await surroundings.connect({
    ...(options.address !== undefined && { address: options.address }),
    ...tlsOf(options),
  });
  const print = (line: string) => write(surroundings.stdout, `${line}\n`);
  const shell: Shell = {
    ...surroundings,
    json: options.output === 'json',
    quiet: options.quiet ?? false,
    client,
    print,
    printJson: (value, form = 'indented') => print(JSON.stringify(value, undefined, form === 'line' ? 0 : 2)),
    complain: line => void surroundings.stderr.write(`${line}\n`),
  };
  return (await work(shell)) ?? 0;
}
