import { PortLayerError } from '../errors/port-layer-error.js';
import type { Fingerprint } from '../model/capability.js';

/** How long a first look at a host may take. */
const FIRST_LOOK_MS = 30_000;

/** The first fingerprint of a stream; the stream is ended then. Throws EXECUTOR_UNAVAILABLE where none comes in 30 s. */
export async function firstFingerprint(
  watch: (signal: AbortSignal) => AsyncIterable<Fingerprint>,
): Promise<Fingerprint> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), FIRST_LOOK_MS);
  try {
    for await (const fingerprint of watch(controller.signal)) return fingerprint;
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The host did not say what it offers.', {
    required: `a fingerprint within ${FIRST_LOOK_MS / 1000} s`,
    found: 'none',
    remedy: 'Look at the host, then ask again with: portlayer doctor',
  });
}
