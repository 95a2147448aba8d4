import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { remove } from './checkpoints.js';
import type { Core } from './core.js';
import type { Retention } from './store-policy.js';

/** A container has so many checkpoints at most that are looked at. */
const ALL = 1_000_000;

/**
 * Which of a container's committed checkpoints are to go. The newest stays, and so do pinned and published ones; these
 * count all the same. Pure.
 */
export function expired(
  records: readonly CheckpointRecord[],
  retention: Retention,
  nowMs: number,
): readonly CheckpointRecord[] {
  let bytes = 0;
  // Not by their CRIDs: after a clock went backwards, what was taken last has a lower one than what was before it.
  const newestFirst = [...records].sort((a, b) => b.ordinal - a.ordinal);
  return newestFirst.filter((record, index) => {
    bytes += record.image?.storedBytes ?? 0;
    if (index === 0 || record.pinned || record.published !== undefined) return false;
    const { count, maxAgeMs, bytes: most } = retention;
    // A clock that went backwards makes nothing old.
    const ageMs = nowMs - (record.committedAtMs ?? record.createdAtMs);
    return (count > 0 && index >= count) || (maxAgeMs > 0 && ageMs > maxAgeMs) || (most > 0 && bytes > most);
  });
}

/** Removes what a container's retention says. What others need of it stays. */
export async function applyRetention(core: Core, containerUid: string): Promise<void> {
  const { retention } = core.storePolicy;
  if (retention.count === 0 && retention.maxAgeMs === 0 && retention.bytes === 0) return;
  const { items } = core.catalog.checkpoints({ states: ['committed'], containerUid, limit: ALL });
  for (const { crid } of expired(items, retention, Date.now())) {
    await core.locks.run(crid, 'retention', async () => {
      const now = core.catalog.checkpoint(crid);
      if (now?.state !== 'committed' || now.pinned || now.published !== undefined) return;
      core.ledger.write({
        about: 'checkpoint',
        id: crid,
        type: 'expired',
        facts: { container: now.container },
      });
      await remove(core, crid, true);
    });
  }
}
