import type { Shell } from './shell.js';

/** Lines of a table without borders, as docker prints them. Only the last column is ever cut, and only on a terminal. */
export async function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const { default: Table } = await import('cli-table3');
  const none = [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
  ];
  const inner = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'];
  const table = new Table({
    chars: Object.fromEntries([...none, ...inner].map(name => [name, ''])),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 3 },
  });
  table.push([...head], ...rows.map(row => row.map(cell => printable(cell))));
  return table
    .toString()
    .split('\n')
    .map(line => cut(line.trimEnd(), width));
}

/** Prints a table at the terminal's width. */
export async function printTable(
  shell: Shell,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const width = shell.stdout.isTTY ? (shell.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  const lines = await tableLines(head, rows, idsEnd(rows) > width ? Number.POSITIVE_INFINITY : width);
  await shell.print(lines.join('\n'));
}

/** A guest's words must not steer the reader's terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u{fffd}');
}

/** Where the columns before the last one end: beyond that a line may be cut, before it not. */
function idsEnd(rows: readonly (readonly string[])[]): number {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return widths.slice(0, -1).reduce((sum, width) => sum + width + 3, 0);
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
