import { PortLayerError } from '../errors/port-layer-error.js';
import type { TriggerPolicy } from '../model/container-spec.js';
import { PRESERVED } from '../model/fidelity.js';
import type { Need } from '../planner/need.js';
import type { TriggerMessage } from '../relay/guest-line.js';

/** Labels of a trigger that begin so state what its checkpoint must be able to do. Source: design/relay-protocol.md. */
const PREFIX = 'need.';

/** What a guest's trigger needs, and the labels that remain. Throws INVALID_SPEC for a need that is none. */
export function guestNeed(
  message: Pick<TriggerMessage, 'mechanism' | 'labels'>,
  policy: TriggerPolicy,
): { readonly need: Need; readonly labels: Readonly<Record<string, string>> } {
  const all = Object.entries(message.labels);
  const stated = new Map(
    all.filter(([key]) => key.startsWith(PREFIX)).map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
  const keep = oneOf('keep', PRESERVED, stated);
  const restore = oneOf('restore', ['here', 'elsewhere'] as const, stated);
  const fallback = oneOf('fallback', ['yes', 'no'] as const, stated);
  const pause = stated.get('max-pause-ms');
  stated.delete('max-pause-ms');
  if (pause !== undefined && !/^[0-9]{1,7}$/.test(pause))
    throw illegal('max-pause-ms', 'a whole number', pause);
  const [unknown] = stated;
  if (unknown) throw illegal(unknown[0], 'keep, restore, max-pause-ms or fallback', unknown[0]);
  return {
    need: {
      mechanism: message.mechanism,
      allowed: policy.mechanisms,
      ...(keep && { keep }),
      ...(restore && { restore }),
      ...(pause === undefined ? {} : { maxPauseMs: Number(pause) }),
      ...(fallback === 'yes' ? { fallback: true } : {}),
    },
    labels: Object.fromEntries(all.filter(([key]) => !key.startsWith(PREFIX))),
  };
}

function oneOf<T extends string>(
  key: string,
  words: readonly T[],
  stated: Map<string, string>,
): T | undefined {
  const value = stated.get(key);
  stated.delete(key);
  if (value === undefined) return undefined;
  const found = words.find(word => word === value);
  if (found === undefined) throw illegal(key, `one of ${words.join(', ')}`, value);
  return found;
}

function illegal(key: string, required: string, found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `${PREFIX}${key} must be ${required}`, {
    required,
    found: JSON.stringify(found.slice(0, 80)),
    facts: { field: `${PREFIX}${key}` },
  });
}
