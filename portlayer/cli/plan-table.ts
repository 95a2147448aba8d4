import type { MechanismChoice } from '../client/client.js';
import type { Shell } from './shell.js';
import { printTable } from './table.js';
import { humanSize } from './units.js';

/** Prints every mechanism with what it keeps, what it is expected to cost, and why it was chosen or not. */
export async function printPlan(shell: Shell, mechanisms: readonly MechanismChoice[]): Promise<void> {
  const rows = mechanisms.map(each => [
    each.mechanism,
    each.level,
    chosen(each),
    each.preserves,
    each.restores,
    each.estimate ? span(each.estimate.pauseMs, humanMs) : '-',
    each.estimate ? span(each.estimate.totalMs, humanMs) : '-',
    each.estimate ? span(each.estimate.bytes, bytes => humanSize(Math.round(bytes))) : '-',
    each.reason,
  ]);
  const head = ['MECHANISM', 'LEVEL', 'CHOSEN', 'KEEPS', 'RESTORE', 'PAUSE', 'TIME', 'SIZE', 'WHY'];
  await printTable(shell, head, rows);
}

function chosen({ chosen: first, rank }: MechanismChoice): string {
  if (first) return 'yes';
  return rank === undefined ? 'no' : `${ordinal(rank + 1)}`;
}

/** `2nd`: tried in that place where those before it cannot. */
function ordinal(n: number): string {
  return `${n}${['st', 'nd', 'rd'][n - 1] ?? 'th'}`;
}

/** `12 ms (9 ms to 16 ms)`: likely, and where four out of five are expected. */
function span(
  { likely, low, high }: { likely: number; low: number; high: number },
  human: (value: number) => string,
): string {
  return `${human(likely)} (${human(low)} to ${human(high)})`;
}

function humanMs(ms: number): string {
  if (ms < 1) return '<1 ms';
  return ms < 10_000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
