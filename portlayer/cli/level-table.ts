import type { LevelOffer } from '../client/client.js';
import type { Shell } from './shell.js';
import { printable, tableLines } from './table.js';

/** Prints the levels as a table; below each the things that are missing, with why and the command that would add them. */
export async function printLevels(
  shell: Shell,
  levels: readonly LevelOffer[],
  { remedies }: { remedies: boolean },
): Promise<void> {
  const rows = levels.map(offer => [
    offer.level,
    offer.name,
    offer.fingerprint?.health ?? '-',
    usable(offer).join(', ') || 'nothing',
  ]);
  const [head = '', ...lines] = await tableLines(['LEVEL', 'NAME', 'HEALTH', 'CAN'], rows);
  await shell.print(head);
  for (const [index, offer] of levels.entries()) {
    await shell.print(lines[index] ?? '');
    if (remedies) for (const line of missing(offer)) await shell.print(printable(line));
  }
}

function usable(offer: LevelOffer): string[] {
  if (offer.fingerprint?.health === 'unusable') return [];
  const removed = new Set(offer.fingerprint?.findings.flatMap(finding => finding.removes ?? []));
  return offer.capabilities.filter(tag => !removed.has(tag));
}

function missing(offer: LevelOffer): string[] {
  const { health, description, findings = [] } = offer.fingerprint ?? {};
  const lines = health === 'unusable' ? [`  unusable: ${description}`] : [];
  for (const { key, value, reason, remedy, removes = [] } of findings) {
    if (!remedy && removes.length === 0) continue;
    const loss = removes.length > 0 ? ` (without it: no ${removes.join(', ')})` : '';
    lines.push(`  ${key}: ${reason ?? value}${loss}`);
    if (remedy) lines.push(`    add it: ${remedy}`);
  }
  return lines;
}
