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
    case 'superset':
      return missingParts(constraint.required, found).length === 0;
    case 'at-least':
      return /\d/.test(found) && compareVersions(found, constraint.required) >= 0;
  }
}

/** The elements of one comma-separated list that another lacks. */
export function missingParts(required: string, found: string): readonly string[] {
  const has = new Set(found.split(','));
  return required.split(',').filter(part => part !== '' && !has.has(part));
}

/**
 * Negative, zero or positive, as `a` is older than, the same as or newer than `b`. The numbers are compared part by
 * part, up to the first part that is none: a kernel's flavour says nothing of its age. A release candidate is older
 * than its release.
 */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parseVersion(a), parseVersion(b)];
  for (let i = 0; i < Math.max(x.numbers.length, y.numbers.length); i++) {
    const order = (x.numbers[i] ?? 0) - (y.numbers[i] ?? 0);
    if (order !== 0) return order;
  }
  return Number(y.candidate) - Number(x.candidate);
}

function parseVersion(text: string): { readonly numbers: readonly number[]; readonly candidate: boolean } {
  const [, leading = '', rest = ''] = /^v?(\d+(?:[.-]\d+)*)?(.*)$/s.exec(text) ?? [];
  return {
    numbers: leading === '' ? [] : leading.split(/[.-]/).map(Number),
    candidate: /^[.~-]?(rc|alpha|beta|pre|dev)/i.test(rest),
  };
}

/** The first two numbers of a version, `6.1` of `6.1.0-28-amd64`: what a format or an interface changes with. */
export function majorMinor(version: string): string {
  return parseVersion(version).numbers.slice(0, 2).join('.');
}
