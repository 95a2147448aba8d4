import { PortLayerError } from '../errors/port-layer-error.js';
import type { TriggerPolicy } from '../model/container-spec.js';

/** What a container's checkpoints that are kept come to. */
export interface Usage {
  readonly checkpoints: number;
  readonly bytes: number;
}

/** Decides which of a guest's triggers go on. Keeps the recent past of each container in memory only. */
export interface TriggerGate {
  /**
   * Lets one trigger through until the returned function is called; a further one meanwhile is refused. Throws
   * TRIGGER_DENIED, OPERATION_PENDING, RATE_LIMITED or QUOTA_EXCEEDED; the message is what the guest is told.
   *
   * @param usage asked only where the policy has a quota
   */
  admit(
    containerUid: string,
    policy: TriggerPolicy,
    mechanism: string,
    nowMs: number,
    usage: () => Usage,
  ): () => void;
  /** Forgets a container that is gone. */
  forget(containerUid: string): void;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** A token bucket for each container: `perMinute` tokens at most, refilled evenly; one trigger under way at a time. */
export function createTriggerGate(): TriggerGate {
  const buckets = new Map<string, Bucket>();
  const underWay = new Set<string>();
  return {
    admit(uid, policy, mechanism, nowMs, usage) {
      requireAllowed(policy, mechanism);
      if (underWay.has(uid)) throw busy();
      const bucket = refill(buckets.get(uid), policy.perMinute, nowMs);
      buckets.set(uid, bucket);
      if (bucket.tokens < 1) throw tooMany(policy, bucket);
      requireQuota(policy, usage);
      bucket.tokens -= 1;
      underWay.add(uid);
      return () => underWay.delete(uid);
    },
    forget(uid) {
      buckets.delete(uid);
      underWay.delete(uid);
    },
  };
}

function requireAllowed(policy: TriggerPolicy, mechanism: string): void {
  if (!policy.allow) {
    throw new PortLayerError('TRIGGER_DENIED', 'this container may not trigger checkpoints', {
      required: 'a trigger policy that allows it',
      found: 'allow: false',
      remedy: 'Allow it with: portlayer update NAME --trigger',
    });
  }
  if (mechanism === 'any' || policy.mechanisms.length === 0 || policy.mechanisms.includes(mechanism)) return;
  throw new PortLayerError('TRIGGER_DENIED', `this container may not ask for ${mechanism}`, {
    required: `one of ${policy.mechanisms.join(', ')}`,
    found: mechanism,
    remedy: 'Ask for one of the mechanisms that the policy names, or for none by name.',
  });
}

function busy(): PortLayerError {
  return new PortLayerError('OPERATION_PENDING', 'a checkpoint of this container is under way', {
    required: 'one trigger at a time',
    found: 'another that has not been answered',
    remedy: 'Ask again when that one is answered.',
  });
}

function tooMany(policy: TriggerPolicy, bucket: Bucket): PortLayerError {
  const retryAfterMs = Math.ceil(((1 - bucket.tokens) * 60_000) / policy.perMinute);
  return new PortLayerError('RATE_LIMITED', 'too many triggers', {
    required: `at most ${policy.perMinute} a minute`,
    found: `one more, ${retryAfterMs} ms too early`,
    remedy: `Ask again in ${retryAfterMs} ms.`,
    facts: { retryAfterMs: String(retryAfterMs) },
  });
}

/** A quota of 0, or of a spec from before there were quotas, is none. */
function requireQuota(policy: TriggerPolicy, usage: () => Usage): void {
  const { maxCheckpoints = 0, maxBytes = 0 } = policy;
  if (maxCheckpoints === 0 && maxBytes === 0) return;
  const used = usage();
  const over = (what: string, found: number, most: number): PortLayerError =>
    new PortLayerError('QUOTA_EXCEEDED', `this container's checkpoints have reached their quota of ${what}`, {
      required: `less than ${most} ${what}`,
      found: `${found} ${what}`,
      remedy:
        'Remove some of its checkpoints (portlayer checkpoint rm), or allow more: portlayer update NAME --trigger-max …',
      facts: { quota: what },
    });
  if (maxCheckpoints > 0 && used.checkpoints >= maxCheckpoints)
    throw over('checkpoints', used.checkpoints, maxCheckpoints);
  if (maxBytes > 0 && used.bytes >= maxBytes) throw over('bytes', used.bytes, maxBytes);
}

function refill(bucket: Bucket | undefined, perMinute: number, nowMs: number): Bucket {
  if (!bucket) return { tokens: perMinute, atMs: nowMs };
  // A clock that went back refills nothing.
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  return { tokens: Math.min(perMinute, bucket.tokens + (elapsedMs * perMinute) / 60_000), atMs: nowMs };
}
