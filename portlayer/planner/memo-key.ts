import { createHash } from 'node:crypto';

/** The key of a memoized start: 40 hex digits over all its parts. Pure. */
export function memoKey(parts: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 40);
}

/** A part's value as a key holds it: a digest, so that no value of an environment is kept. */
export function memoPart(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')
    .slice(0, 16);
}

/** Which parts differ from those of the entry that differs least, in words; undefined where there is no entry. Pure. */
export function whyMissed(
  parts: Readonly<Record<string, string>>,
  entries: readonly Readonly<Record<string, string>>[],
): string | undefined {
  const differences = entries.map(entry =>
    [...new Set([...Object.keys(parts), ...Object.keys(entry)])]
      .filter(name => parts[name] !== entry[name])
      .sort(),
  );
  const [nearest] = differences.sort((a, b) => a.length - b.length);
  if (!nearest) return undefined;
  const shown = nearest.slice(0, 5).join(', ');
  return `changed: ${shown}${nearest.length > 5 ? ` and ${nearest.length - 5} more` : ''}`;
}

/** Why an entry cannot be used any more; undefined where it can. A clock that went back makes nothing old. Pure. */
export function expired(createdAtMs: number, ttlMs: number, nowMs: number): string | undefined {
  const ageMs = Math.max(0, nowMs - createdAtMs);
  return ageMs < ttlMs ? undefined : `expired: taken ${ageMs} ms ago, and kept for ${ttlMs} ms`;
}
