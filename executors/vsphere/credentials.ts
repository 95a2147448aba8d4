import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { CredentialSource } from './config.js';
import type { Credentials } from './vim/client.js';

const COMMAND_MS = 10_000;

/**
 * User and password, read anew each time. Throws EXECUTOR_UNAVAILABLE, which names the source and never what is in it.
 */
export async function readCredentials(source: CredentialSource): Promise<Credentials> {
  if ('file' in source) return fromFile(source.file);
  if ('command' in source) return fromCommand(source.command);
  const [user, password] = [process.env[source.userVariable], process.env[source.passwordVariable]];
  if (user && password) return { user, password };
  throw unusable(
    `the variables ${source.userVariable} and ${source.passwordVariable}`,
    'one of them is not set',
  );
}

async function fromFile(path: string): Promise<Credentials> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw unusable(`the file ${path}`, 'there is no such file');
  if ((found.mode & 0o077) !== 0)
    throw unusable(`the file ${path}`, 'others than its owner may read it', `Run: chmod 600 ${path}`);
  return twoLines(`the file ${path}`, await readFile(path, 'utf8'));
}

async function fromCommand([program = '', ...args]: readonly string[]): Promise<Credentials> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: COMMAND_MS });
    return twoLines(`the command ${program}`, stdout);
  } catch (caught) {
    if (caught instanceof PortLayerError) throw caught;
    // Its message would have the command's output.
    throw unusable(`the command ${program}`, `it failed${exitOf(caught)}`);
  }
}

function exitOf(caught: unknown): string {
  const code = (caught as { code?: unknown } | undefined)?.code;
  return typeof code === 'number' || typeof code === 'string' ? ` (${code})` : '';
}

function twoLines(what: string, text: string): Credentials {
  const [user = '', password = ''] = text.split(/\r?\n/);
  if (user !== '' && password !== '') return { user, password };
  throw unusable(what, 'it has not two lines');
}

function unusable(what: string, found: string, remedy?: string): PortLayerError {
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    `The credentials of the vCenter cannot be read from ${what}.`,
    {
      required: 'a line with the user and a line with the password',
      found,
      remedy: remedy ?? 'Correct the setting credentials of the environment, or what it names.',
      facts: { fault: 'credentials' },
    },
  );
}
