import type { Command } from 'commander';
import { write } from '../shell.js';
import { collectEnv, collectEnvFile, parseUser } from '../values.js';
import { doing, newVerb, type VerbContext } from '../verb.js';

/** What `exec` takes. */
interface ExecOptions {
  readonly interactive?: boolean;
  readonly env?: Record<string, string>;
  readonly envFile?: Record<string, string>;
  readonly workdir?: string;
  readonly user?: { uid: number; gid: number };
}

/** `exec`: runs a further command in a running container and exits with its code. */
export function execVerb(context: VerbContext): Command {
  const command = newVerb('exec', 'Run a further command in a running container and exit with its code.')
    .usage('[options] NAME COMMAND [ARG...]')
    .argument('<name>')
    .argument('<command>')
    .argument('[args...]')
    .passThroughOptions()
    .option('-i, --interactive', 'pass stdin on')
    .option('-e, --env <key=value>', 'can be repeated; KEY alone passes its value on', collectEnv)
    .option('--env-file <file>', 'lines of KEY=VALUE', collectEnvFile)
    .option('-w, --workdir <directory>', 'inside')
    .option('-u, --user <uid[:gid]>', 'numeric', parseUser);
  return doing(
    context,
    command,
    (name: string, program: string, args: string[], options: ExecOptions) => async shell => {
      const { interactive, env, envFile, workdir, user } = options;
      const stdin = interactive ? (shell.stdin as AsyncIterable<Buffer>) : undefined;
      const output = shell.client.execContainer(name, {
        // kubectl's habit: `exec NAME -- COMMAND`.
        argv: program === '--' ? args : [program, ...args],
        env: { ...envFile, ...env },
        ...(workdir !== undefined && { cwd: workdir }),
        ...(user && { user }),
        ...(stdin && { stdin }),
      });
      for await (const piece of output) {
        if (piece.kind === 'exit') return piece.code;
        await write(shell[piece.kind], piece.data);
      }
      return 1;
    },
  );
}
