import type { Level } from './level.js';

/** How a target's value must stand to the required one. */
export type Relation =
  /** The same text. */
  | 'equal'
  /** A version that is the same or newer, compared part by part. */
  | 'at-least'
  /** Every element of the required comma-separated list is there. */
  | 'superset'
  /** Anything at all is there. */
  | 'exists';

/** One thing that a restore requires of its target. Data, so that it can be checked before anything starts. */
export interface Constraint {
  readonly level: Level;
  /** `executor`, `architecture`, `criu`, `cpu-features`, … */
  readonly key: string;
  readonly relation: Relation;
  readonly required: string;
}

/** One constraint compared with a target. */
export interface ConstraintVerdict extends Constraint {
  /** What the target has; empty where it has nothing of the kind. */
  readonly found: string;
  readonly met: boolean;
}

/** Compares constraints with what a target offers. Pure. */
export function judgeConstraints(
  constraints: readonly Constraint[],
  target: Readonly<Record<string, string>>,
): readonly ConstraintVerdict[] {
  return constraints.map(constraint => {
    const found = target[`${constraint.level}.${constraint.key}`] ?? '';
    return { ...constraint, found, met: holds(constraint, found) };
  });
}

function holds(constraint: Constraint, found: string): boolean {
  switch (constraint.relation) {
    case 'equal':
      return found === constraint.required;
    case 'exists':
      return found !== '';
    case 'superset': {
      const has = new Set(found.split(','));
      return constraint.required.split(',').every(part => has.has(part));
    }
    case 'at-least':
      return found !== '' && compareVersions(found, constraint.required) >= 0;
  }
}

/** Negative, zero or positive, as `a` is older than, the same as or newer than `b`. Parts that are no numbers compare as text. */
export function compareVersions(a: string, b: string): number {
  const as = a.split(/[.-]/);
  const bs = b.split(/[.-]/);
  for (let i = 0; i < Math.max(as.length, bs.length); i++) {
    const [x, y] = [as[i] ?? '0', bs[i] ?? '0'];
    const [nx, ny] = [Number(x), Number(y)];
    const order = Number.isNaN(nx) || Number.isNaN(ny) ? x.localeCompare(y) : nx - ny;
    if (order !== 0) return order;
  }
  return 0;
}
