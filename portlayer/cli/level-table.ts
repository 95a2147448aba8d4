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
    if (!remedies) continue;
    for (const line of [...there(offer), ...missing(offer)]) await shell.print(printable(line));
  }
}

const BRIEF = 90;

function usable(offer: LevelOffer): string[] {
  if (offer.fingerprint?.health === 'unusable') return [];
  const removed = new Set(offer.fingerprint?.findings.flatMap(finding => finding.removes ?? []));
  return offer.capabilities.filter(tag => !removed.has(tag));
}

/** What the host gives, in one line, and each thing that was looked at and is there. */
function there(offer: LevelOffer): string[] {
  const { health, description, findings = [] } = offer.fingerprint ?? {};
  if (description === undefined || health === 'unusable') return [];
  const found = findings.filter(({ remedy, removes = [] }) => !remedy && removes.length === 0);
  return [`  ${description}`, ...found.map(({ key, value }) => `  ${key}: ${brief(value)}`)];
}

/** A list of hundreds of CPU features is no reading for people; `--output json` has it whole. */
function brief(value: string): string {
  return value.length <= BRIEF ? value : `${value.slice(0, BRIEF)}… (${value.length} characters)`;
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
