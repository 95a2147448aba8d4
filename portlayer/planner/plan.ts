import { PortLayerError } from '../errors/port-layer-error.js';
import { LEVELS, type Level } from '../model/level.js';

/** A mechanism that one of the container's levels has. */
export interface Candidate {
  readonly mechanism: string;
  readonly level: Level;
  /** Present where it cannot be used now: what its level lacks here. */
  readonly unavailable?: string;
  readonly keeps: readonly string[];
  readonly loses: readonly string[];
}

/** What a checkpoint call or a trigger states. */
export interface Need {
  /** Fixed by the caller; absent or `any`: free. */
  readonly mechanism?: string;
}

/** A candidate with the verdict on it. */
export interface Verdict extends Candidate {
  readonly chosen: boolean;
  readonly reason: string;
}

/** Every candidate with its verdict, at most one chosen. Pure. */
export function plan(candidates: readonly Candidate[], need: Need): readonly Verdict[] {
  const wanted = need.mechanism === undefined || need.mechanism === 'any' ? undefined : need.mechanism;
  // The least constrained level first: what a task recorded itself can be restored anywhere.
  const order = [...candidates].sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level));
  let chosen: Candidate | undefined;
  return order.map(candidate => {
    const rejected = rejection(candidate, wanted, chosen);
    if (rejected === undefined) chosen = candidate;
    const reason =
      rejected ?? (wanted ? 'asked for by name' : `least constrained level that can (${candidate.level})`);
    return { ...candidate, chosen: rejected === undefined, reason };
  });
}

function rejection(
  candidate: Candidate,
  wanted: string | undefined,
  chosen: Candidate | undefined,
): string | undefined {
  if (wanted !== undefined && candidate.mechanism !== wanted) return `${wanted} was asked for`;
  if (candidate.unavailable !== undefined) return candidate.unavailable;
  if (chosen) return `${chosen.mechanism} at level ${chosen.level} is less constrained`;
  return undefined;
}

/** The chosen one. Throws CAPABILITY_MISSING with the reason each mechanism was rejected for. */
export function choose(verdicts: readonly Verdict[], need: Need, offers: string): Verdict {
  const chosen = verdicts.find(verdict => verdict.chosen);
  if (chosen) return chosen;
  const reasons = verdicts.map(v => `${v.mechanism} (${v.level}): ${v.reason}`).join('; ');
  const wanted =
    need.mechanism === undefined || need.mechanism === 'any' ? 'a checkpoint mechanism' : need.mechanism;
  throw new PortLayerError('CAPABILITY_MISSING', `No level of this container offers ${wanted}.`, {
    required: wanted,
    found: reasons || `no mechanism at any level; ${offers}`,
    remedy:
      'Give the task an exit-code convention (portlayer run --checkpoint-exit 85), or choose an executor or loader that can checkpoint (portlayer capabilities).',
    facts: { levels: offers },
  });
}
