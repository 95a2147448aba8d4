import { PortLayerError } from '../errors/port-layer-error.js';
import type { Preserved, Reach } from '../model/fidelity.js';

/** What a checkpoint call or a trigger states; what is absent is left to the planner. */
export interface Need {
  /** Fixed by the caller; absent or `any`: free. */
  readonly mechanism?: string;
  /** Mechanisms that the container's policy lets its guest use; absent or empty: all. */
  readonly allowed?: readonly string[];
  /** How much it must keep at least. */
  readonly keep?: Preserved;
  /** `elsewhere`: it must be restorable in another place too. */
  readonly restore?: Reach;
  /** How long the task may stand still, in milliseconds. A dump that takes longer is given up. */
  readonly maxPauseMs?: number;
  /** How durable it must be when the call ends. */
  readonly durability?: 'captured' | 'committed';
  /** Where the chosen mechanism cannot bring the task to a consistent point, the next may be taken, also one that keeps less. */
  readonly fallback?: boolean;
}

/** The longest pause that can be asked for, in milliseconds: an hour. */
const MAX_PAUSE_MS = 3_600_000;

/** Throws INVALID_SPEC, naming both sides, where needs contradict each other. Pure. */
export function checkNeed(need: Need): void {
  const { maxPauseMs } = need;
  if (maxPauseMs !== undefined && !(maxPauseMs >= 1 && maxPauseMs <= MAX_PAUSE_MS)) {
    throw new PortLayerError('INVALID_SPEC', 'The longest pause is out of bounds.', {
      required: `1 to ${MAX_PAUSE_MS} ms`,
      found: `${maxPauseMs} ms`,
      remedy: 'Correct it, or leave it out.',
      facts: { field: 'need.max_pause' },
    });
  }
  if (need.restore === 'elsewhere' && need.durability === 'captured') {
    throw contradiction(
      'a restore elsewhere (restore: elsewhere)',
      'a checkpoint that is captured only (durability: captured), which can be used on this host alone',
      'Ask for durability committed, or for a restore here.',
      'need.restore',
    );
  }
}

/** INVALID_SPEC for two needs that no checkpoint can meet together. */
export function contradiction(one: string, other: string, remedy: string, field: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The needs contradict each other.', {
    required: one,
    found: other,
    remedy,
    facts: { field },
  });
}

/** `keep process, pause at most 50 ms`, for messages; empty where nothing is asked. */
export function describeNeed(need: Need): string {
  const parts = [
    need.mechanism !== undefined && need.mechanism !== 'any' ? `mechanism ${need.mechanism}` : '',
    need.keep === undefined ? '' : `keep ${need.keep}`,
    need.restore === undefined ? '' : `restore ${need.restore}`,
    need.maxPauseMs === undefined ? '' : `pause at most ${need.maxPauseMs} ms`,
    need.durability === undefined ? '' : `durability ${need.durability}`,
  ];
  return parts.filter(part => part !== '').join(', ');
}
