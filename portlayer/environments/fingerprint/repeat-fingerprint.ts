import { setTimeout as sleep } from 'node:timers/promises';
import type { Fingerprint } from '../../model/capability.js';

/**
 * A fingerprint as a stream: the first value at once, then one whenever a look every `intervalMs` finds another.
 * Ends quietly when the signal aborts; a look that fails ends it with its error only the first time.
 */
export async function* repeatFingerprint(
  take: () => Promise<Fingerprint>,
  intervalMs: number,
  signal: AbortSignal,
): AsyncIterable<Fingerprint> {
  if (signal.aborted) return;
  let last = await take();
  yield last;
  for (;;) {
    try {
      await sleep(intervalMs, undefined, { signal, ref: false });
    } catch {
      return;
    }
    const next = await take().catch(() => last);
    if (JSON.stringify(next) === JSON.stringify(last)) continue;
    last = next;
    yield last;
  }
}
