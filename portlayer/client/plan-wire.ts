import type { CheckpointNeed as WireNeed } from '../../proto/types/portlayer/execution/v1/CheckpointNeed.js';
import type { ConstraintVerdict__Output } from '../../proto/types/portlayer/execution/v1/ConstraintVerdict.js';
import type { Interval__Output } from '../../proto/types/portlayer/execution/v1/Interval.js';
import type { MechanismChoice__Output } from '../../proto/types/portlayer/execution/v1/MechanismChoice.js';
import type { TargetReport__Output } from '../../proto/types/portlayer/execution/v1/TargetReport.js';
import type { CheckpointNeed, ConstraintVerdict, TargetReport } from './checkpoints.js';
import { levelOf, wordOf } from './from-wire.js';
import type { Interval, MechanismChoice, Preserved } from './levels.js';
import { durationOf, enumOf } from './to-wire.js';

/** What is stated of a checkpoint. */
export function needToWire(need: CheckpointNeed): WireNeed {
  const { keep, restore, maxPauseMs, fallback = false } = need;
  return {
    fallback,
    ...(keep && { keep: enumOf<'PRESERVED_DISK'>('PRESERVED_', keep) }),
    ...(restore && { restore: enumOf<'REACH_HERE'>('REACH_', restore) }),
    ...(maxPauseMs !== undefined && { maxPause: durationOf(maxPauseMs) }),
  };
}

/** A mechanism with the planner's verdict on it. */
export function choiceOf(wire: MechanismChoice__Output): MechanismChoice {
  const { estimate, rank } = wire;
  return {
    mechanism: wire.mechanism ?? '',
    level: levelOf(wire.level),
    chosen: wire.chosen ?? false,
    reason: wire.reason ?? '',
    keeps: wire.keeps,
    loses: wire.loses,
    preserves: wordOf<Preserved>('PRESERVED_', wire.preserves),
    restores: wordOf<'here' | 'elsewhere'>('REACH_', wire.restores),
    ephemeral: wire.ephemeral ?? false,
    ...(rank !== undefined && { rank }),
    ...(estimate && {
      estimate: {
        pauseMs: intervalOf(estimate.pauseMs),
        totalMs: intervalOf(estimate.totalMs),
        bytes: intervalOf(estimate.bytes),
        learntFrom: estimate.learntFrom ?? '',
      },
    }),
  };
}

function intervalOf(wire: Interval__Output | undefined): Interval {
  const { low = 0, high = 0, likely = 0, samples = 0 } = wire ?? {};
  return { low, high, likely, samples };
}

/** A constraint held against a target. */
export function constraintVerdictOf(wire: ConstraintVerdict__Output): ConstraintVerdict {
  const { level, key = '', relation = '', required = '' } = wire.constraint ?? {};
  const { found = '', met = false } = wire;
  return { level: levelOf(level), key, relation, required, found, met };
}

/** A checkpoint held against one environment. */
export function targetOf(wire: TargetReport__Output | undefined): TargetReport {
  return {
    environment: wire?.environment ?? '',
    fits: wire?.fits ?? false,
    verdicts: (wire?.verdicts ?? []).map(constraintVerdictOf),
    changes: (wire?.changes ?? []).map(({ what = '', meets }) => ({ what, meets })),
    ...(wire?.unusable && { unusable: wire.unusable }),
  };
}
