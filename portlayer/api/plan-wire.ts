import type { CheckpointNeed__Output } from '../../proto/types/portlayer/execution/v1/CheckpointNeed.js';
import type { ConstraintVerdict as WireConstraintVerdict } from '../../proto/types/portlayer/execution/v1/ConstraintVerdict.js';
import type { Interval as WireInterval } from '../../proto/types/portlayer/execution/v1/Interval.js';
import type { MechanismChoice } from '../../proto/types/portlayer/execution/v1/MechanismChoice.js';
import type { TargetReport as WireTarget } from '../../proto/types/portlayer/execution/v1/TargetReport.js';
import {
  CONSTRAINT_POLICIES,
  type ConstraintPolicy,
  type MechanismVerdict,
  type StatedNeed,
  type TargetReport,
} from '../dispatch/dispatch.js';
import type { ConstraintVerdict } from '../model/constraint.js';
import { PRESERVED } from '../model/fidelity.js';
import { durationMs, given, word } from './from-wire.js';
import { enumValue } from './to-wire.js';

/** What a caller states of a checkpoint; `durability` only where the caller gave one. */
export function needFromWire(
  need: CheckpointNeed__Output | undefined,
  durability: string | number | undefined,
): StatedNeed {
  return given({
    keep: word('need.keep', 'PRESERVED_', PRESERVED, need?.keep),
    restore: word('need.restore', 'REACH_', ['here', 'elsewhere'] as const, need?.restore),
    maxPauseMs: durationMs('need.max_pause', need?.maxPause),
    fallback: need?.fallback || undefined,
    durability: word('durability', 'DURABILITY_', ['captured', 'committed'] as const, durability),
  });
}

/** A mechanism with the planner's verdict on it. */
export function verdictToWire(verdict: MechanismVerdict): MechanismChoice {
  const { estimate, rank } = verdict;
  return {
    mechanism: verdict.mechanism,
    level: enumValue('LEVEL_', verdict.level),
    chosen: verdict.chosen,
    reason: verdict.reason,
    keeps: [...verdict.keeps],
    loses: [...verdict.loses],
    preserves: enumValue('PRESERVED_', verdict.preserves),
    restores: enumValue('REACH_', verdict.restores),
    ephemeral: verdict.ephemeral ?? false,
    ...(rank !== undefined && { rank }),
    ...(estimate && {
      estimate: {
        pauseMs: intervalToWire(estimate.pauseMs),
        totalMs: intervalToWire(estimate.totalMs),
        bytes: intervalToWire(estimate.bytes),
        learntFrom: estimate.from,
      },
    }),
  };
}

function intervalToWire(interval: NonNullable<MechanismVerdict['estimate']>['bytes']): WireInterval {
  return { ...interval };
}

/** What a restore does with constraints that are not met; undefined where the caller does not say. */
export function constraintPolicy(value: string | number | undefined): ConstraintPolicy | undefined {
  return word('constraint_policy', 'CONSTRAINT_POLICY_', CONSTRAINT_POLICIES, value);
}

/** A constraint held against a target. */
export function constraintToWire(verdict: ConstraintVerdict): WireConstraintVerdict {
  const { level, key, relation, required, found, met } = verdict;
  return { constraint: { level: enumValue('LEVEL_', level), key, relation, required }, found, met };
}

/** A checkpoint held against one environment. */
export function targetToWire(report: TargetReport): WireTarget {
  return {
    environment: report.environment,
    fits: report.fits,
    verdicts: report.verdicts.map(constraintToWire),
    changes: report.changes.map(({ what, meets }) => ({ what, meets: [...meets] })),
    unusable: report.unusable ?? '',
  };
}
