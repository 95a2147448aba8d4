import { PassThrough } from 'node:stream';
import type { LocalService } from '../../../../portlayer/cli/local-service.js';
import { runProgram } from '../../../../portlayer/cli/program.js';
import type { Surroundings } from '../../../../portlayer/cli/shell.js';
import { createClient } from '../../../../portlayer/client/client.js';
import { NOW_MS } from '../api/scripted-dispatch.js';

/** What a run of the command line left behind. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a test may put around the command line. */
export interface CliOptions {
  readonly stdin?: string;
  readonly local?: Partial<LocalService>;
  /** Pretend that stderr is a terminal. */
  readonly terminal?: boolean;
  readonly columns?: number;
  /** Called with a function that plays Ctrl-C. */
  readonly interrupt?: (press: () => void) => void;
}

/** Runs the command line in this process, two minutes after {@link NOW_MS}, against the service at `address`. */
export async function runCli(
  address: string,
  argv: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const stdout = collector(options.columns);
  const stderr = collector(options.terminal ? 80 : undefined);
  const stdin = new PassThrough();
  stdin.end(options.stdin ?? '');
  const listeners = new Set<() => void>();
  options.interrupt?.(() => {
    for (const each of listeners) each();
  });
  const surroundings: Surroundings = {
    stdout: stdout.stream,
    stderr: stderr.stream,
    stdin,
    cwd: '/home/me',
    nowMs: () => NOW_MS + 125_000,
    onInterrupt(interrupted) {
      listeners.add(interrupted);
      return () => listeners.delete(interrupted);
    },
    connect: async options => createClient(options),
    local: async () => (options.local ?? {}) as LocalService,
  };
  const code = await runProgram(['--address', address, ...argv], surroundings);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function collector(columns: number | undefined) {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', chunk => chunks.push(chunk as Buffer));
  const known = columns === undefined ? {} : { isTTY: true, columns };
  return { stream: Object.assign(stream, known), text: () => Buffer.concat(chunks).toString() };
}
