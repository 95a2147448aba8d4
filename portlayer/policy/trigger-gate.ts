import { PortLayerError } from '../errors/port-layer-error.js';
import type { TriggerPolicy } from '../model/container-spec.js';

/** Decides which of a guest's triggers go on. Keeps the recent past of each container in memory only. */
export interface TriggerGate {
  /** Throws TRIGGER_DENIED or RATE_LIMITED; the message is what the guest is told. */
  admit(containerUid: string, policy: TriggerPolicy, mechanism: string, nowMs: number): void;
  /** Forgets a container that is gone. */
  forget(containerUid: string): void;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** A token bucket for each container: `perMinute` tokens at most, refilled evenly. */
export function createTriggerGate(): TriggerGate {
  const buckets = new Map<string, Bucket>();
  return {
    admit(uid, policy, mechanism, nowMs) {
      if (!policy.allow) {
        throw new PortLayerError('TRIGGER_DENIED', 'this container may not trigger checkpoints', {
          required: 'a trigger policy that allows it',
          found: 'allow: false',
          remedy: 'Allow it with: portlayer update NAME --trigger',
        });
      }
      if (mechanism !== 'any' && policy.mechanisms.length > 0 && !policy.mechanisms.includes(mechanism)) {
        throw new PortLayerError('TRIGGER_DENIED', `this container may not ask for ${mechanism}`, {
          required: `one of ${policy.mechanisms.join(', ')}`,
          found: mechanism,
          remedy: 'Ask for one of the mechanisms that the policy names, or for none by name.',
        });
      }
      const bucket = refill(buckets.get(uid), policy.perMinute, nowMs);
      buckets.set(uid, bucket);
      if (bucket.tokens < 1) {
        const retryAfterMs = Math.ceil(((1 - bucket.tokens) * 60_000) / policy.perMinute);
        throw new PortLayerError('RATE_LIMITED', 'too many triggers', {
          required: `at most ${policy.perMinute} a minute`,
          found: `one more, ${retryAfterMs} ms too early`,
          remedy: `Ask again in ${retryAfterMs} ms.`,
          facts: { retryAfterMs: String(retryAfterMs) },
        });
      }
      bucket.tokens -= 1;
    },
    forget(uid) {
      buckets.delete(uid);
    },
  };
}

function refill(bucket: Bucket | undefined, perMinute: number, nowMs: number): Bucket {
  if (!bucket) return { tokens: perMinute, atMs: nowMs };
  // A clock that went back refills nothing.
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  return { tokens: Math.min(perMinute, bucket.tokens + (elapsedMs * perMinute) / 60_000), atMs: nowMs };
}
