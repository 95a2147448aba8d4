import { type ConstraintVerdict, missingParts } from '../model/constraint.js';

/** What would have to change in a target, and why. */
export interface Change {
  /** One sentence for a person. */
  readonly what: string;
  /** The constraints it would meet, as `level key`. */
  readonly meets: readonly string[];
}

/** A target's name and, by `level.key`, the commands that would add what its fingerprints miss. */
export interface ChangeContext {
  readonly target: string;
  readonly crid: string;
  readonly remedies: Readonly<Record<string, string>>;
}

/**
 * The fewest changes that would make a checkpoint fit: one for each unmet constraint, but for those that another
 * change meets too (an executor that is not there has no version either). Empty where all are met. Pure.
 */
export function smallestChanges(
  verdicts: readonly ConstraintVerdict[],
  context: ChangeContext,
): readonly Change[] {
  const unmet = verdicts.filter(verdict => !verdict.met);
  const roots = unmet.filter(verdict => !unmet.some(other => other !== verdict && covers(other, verdict)));
  return roots.map(root => ({
    what: changeFor(root, context),
    meets: unmet.filter(each => each === root || covers(root, each)).map(each => `${each.level} ${each.key}`),
  }));
}

/** Whether making `cause` good makes `effect` good as well, as far as can be known beforehand. */
function covers(cause: ConstraintVerdict, effect: ConstraintVerdict): boolean {
  if (cause.level !== effect.level || effect.key === 'name') return false;
  if (cause.key === 'name') return cause.found === '' && effect.found === '';
  // A level that lacks what it needs says so by its capabilities; the finding itself names what to add.
  return effect.key === 'capabilities' && /^(no)?$/.test(cause.found) && cause.key !== 'capabilities';
}

function changeFor(verdict: ConstraintVerdict, { target, crid, remedies }: ChangeContext): string {
  const { level, key, relation, required, found } = verdict;
  const remedy = remedies[`${level}.${key}`];
  if (remedy !== undefined && /^(no)?$/.test(found)) return remedy;
  if (key === 'layers')
    return `Carry checkpoint ${crid} to ${target}: its layers and image are in ${required}.`;
  if (key.startsWith('path:')) return `Put ${required} on ${target}.`;
  if (key === 'name') return `Give ${target} the ${level} ${required}.`;
  if (key === 'rootfs-digest')
    return `Put the root file system back as it was (digest ${required}); it has changed to ${found || 'nothing'}.`;
  switch (relation) {
    case 'superset':
      return key === 'cpu-features'
        ? `Use a CPU that has ${missingParts(required, found).join(', ')} too.`
        : `Add to the ${level} of ${target}: ${missingParts(required, found).join(', ')} (${key}).`;
    case 'at-least':
      return `Bring ${key} of the ${level} of ${target} from ${found || 'nothing'} to ${required} or newer.`;
    case 'exists':
      return `Put ${required} on ${target}.`;
    case 'equal':
      return `Change ${key} of the ${level} of ${target} from ${found || 'nothing'} to ${required}.`;
  }
}
