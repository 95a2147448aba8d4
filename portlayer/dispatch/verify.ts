import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Core } from './core.js';
import { committedRecords } from './layer-cache.js';

/** What a verification of one checkpoint came to. */
export interface ImageVerdict {
  readonly crid: string;
  /** Absent where it is whole. */
  readonly error?: PortLayerError;
  /** Bytes of data that were read for it; what another one of the same call has in common with it was read once. */
  readonly bytes: number;
  /** How many are done, of how many. */
  readonly done: number;
  readonly total: number;
}

/**
 * Checks the images of committed checkpoints byte by byte and notes the outcome: `verified` and when, or
 * `quarantined`, from which nothing is restored any more. Yields each as it is known.
 */
export async function* verifyImages(
  core: Core,
  records: readonly CheckpointRecord[],
  signal: AbortSignal,
  inBackground = false,
): AsyncIterable<ImageVerdict> {
  const whole = new Set<string>();
  let done = 0;
  for (const { crid } of records) {
    signal.throwIfAborted();
    done += 1;
    const count = { done, total: records.length };
    try {
      const { bytes } = await core.store.verify(crid, { whole, signal, inBackground });
      // Before it is told: whoever hears of it may start a copy, and what that comes to is noted after this.
      noteVerified(core, crid, 'image');
      yield { crid, bytes, ...count };
    } catch (caught) {
      signal.throwIfAborted();
      const error = PortLayerError.from(caught);
      if (core.catalog.checkpoint(crid)?.state !== 'committed') continue; // Removed meanwhile.
      if (error.code === 'CHECKPOINT_CORRUPT') quarantine(core, crid, error);
      yield { crid, error, bytes: 0, ...count };
    }
  }
}

/** Every committed checkpoint, newest first. */
export function allCommitted(core: Core): readonly CheckpointRecord[] {
  return [...committedRecords(core)];
}

/** Writes down that a checkpoint was found whole: its image, or a copy that was started from it. */
export function noteVerified(
  core: Core,
  crid: string,
  by: 'image' | 'restore',
): CheckpointRecord | undefined {
  const record = core.catalog.checkpoint(crid);
  if (record?.state !== 'committed') return undefined;
  const { quarantined: was, ...rest } = record;
  const verified: CheckpointRecord = { ...rest, verified: { atMs: Date.now(), by } };
  core.ledger.write({
    checkpoint: verified,
    type: 'verified',
    facts: { by, ...(was ? { released: 'true' } : {}) },
  });
  return verified;
}

/** Writes down that a checkpoint is damaged: it stays, to be looked at or healed, and nothing is restored from it. */
export function quarantine(core: Core, crid: string, error: PortLayerError): void {
  const record = core.catalog.checkpoint(crid);
  if (!record || record.quarantined) return;
  const reason = [error.message, error.found].filter(Boolean).join(' Found: ').slice(0, 500);
  const { verified: _, ...rest } = record;
  core.ledger.write({
    checkpoint: { ...rest, quarantined: { atMs: Date.now(), code: error.code, reason } },
    type: 'quarantined',
    facts: { code: error.code, reason },
  });
}

/** Every so often verifies one committed checkpoint, chosen by chance, until the service ends. */
export function sampleImages(core: Core): void {
  const everyMs = core.storePolicy.verifyEveryMs;
  if (everyMs === 0) return;
  let busy = false;
  const sample = async (): Promise<void> => {
    const crids = core.catalog.crids(['committed']);
    const record = core.catalog.checkpoint(crids[Math.floor(Math.random() * crids.length)] ?? '');
    if (!record || record.quarantined) return;
    for await (const { crid, error } of verifyImages(core, [record], core.closing, true))
      if (error) core.log(`checkpoint ${crid} is damaged: ${error.found ?? error.message}`);
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    sample()
      .catch(caught => core.closing.aborted || core.log(`verification: ${String(caught)}`))
      .finally(() => {
        busy = false;
      });
  }, everyMs);
  timer.unref();
  core.closing.addEventListener('abort', () => clearInterval(timer), { once: true });
}
