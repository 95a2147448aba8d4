import { PortLayerError } from '../../errors/port-layer-error.js';

/** The longest argument that Linux passes to a program, its end included: the whole line is one argument of the login shell. Source: execve(2), MAX_ARG_STRLEN. */
const LONGEST_LINE = 131_072;

/** Characters that no POSIX shell gives a meaning to. */
const plain = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * One command as the one line that SSH carries, for the login shell of the other side to take apart again: each
 * argument stands as it is or in single quotes, so that nothing in it has a meaning. The only place where a line for a
 * shell is made. Throws INVALID_SPEC for a NUL, which no argument can hold, and for a line that Linux would refuse.
 */
export function quoteCommand(argv: readonly string[]): string {
  const line = `exec ${argv.map(quote).join(' ')}`;
  if (line.includes('\0')) throw unfit('no NUL in an argument', 'one');
  const bytes = Buffer.byteLength(line);
  if (bytes >= LONGEST_LINE) throw unfit(`a command of less than ${LONGEST_LINE} bytes`, `${bytes} bytes`);
  return line;
}

function quote(argument: string): string {
  return plain.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

function unfit(required: string, found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'A command cannot be carried to the other host.', {
    required,
    found,
    remedy: 'Hand long content over in a file.',
  });
}
