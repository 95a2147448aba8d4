import { PortLayerError } from '../errors/port-layer-error.js';
import { keepsAsMuch, PRESERVED, type Preserved, type Reach } from '../model/fidelity.js';
import { LEVELS, type Level } from '../model/level.js';
import type { Estimate } from './estimate.js';
import { contradiction, describeNeed, type Need } from './need.js';

/** A mechanism that one of the container's levels has. */
export interface Candidate {
  readonly mechanism: string;
  readonly level: Level;
  /** Present where it cannot be used now: what its level lacks here. */
  readonly unavailable?: string;
  readonly preserves: Preserved;
  readonly restores: Reach;
  /** Its checkpoints cannot be made durable. */
  readonly ephemeral?: boolean;
  readonly keeps: readonly string[];
  readonly loses: readonly string[];
  /** Absent where nothing like it has been taken yet. */
  readonly estimate?: Estimate;
}

/** A candidate with the verdict on it. */
export interface Verdict extends Candidate {
  readonly chosen: boolean;
  readonly reason: string;
  /** Place in the order in which it would be tried, 0 for the chosen one; absent: it would not be. */
  readonly rank?: number;
}

/** What of a candidate is against a need; undefined where nothing is. */
type Objection = { readonly reason: string; readonly fallback: boolean } | undefined;

/**
 * Every candidate with its verdict, at most one chosen: of those that meet every stated need, the one of the least
 * constrained level, since what a task recorded itself can be restored in most places. Ranks say in which order the
 * others would be tried where the chosen one cannot quiesce and the need allows it: those that meet the need too, then
 * those that keep less than was asked, the ones that keep most first. Pure.
 */
export function plan(candidates: readonly Candidate[], need: Need): readonly Verdict[] {
  const judged = candidates.map(candidate => ({ candidate, objection: objectionTo(candidate, need) }));
  judged.sort((a, b) => leastConstrained(a.candidate, b.candidate, need));
  const fitting = judged.filter(each => each.objection === undefined);
  const lesser = judged
    .filter(each => need.fallback === true && each.objection?.fallback === true)
    .sort((a, b) => most(b.candidate) - most(a.candidate));
  const ranks = new Map<Candidate, number>();
  if (fitting.length > 0)
    for (const { candidate } of need.fallback ? [...fitting, ...lesser] : fitting.slice(0, 1))
      ranks.set(candidate, ranks.size);
  const first = fitting[0]?.candidate;
  return judged.map(({ candidate, objection }) => {
    const chosen = candidate === first;
    const reason =
      objection?.reason ?? (chosen ? whyChosen(candidate, need) : whyNot(candidate, first!, need));
    const rank = ranks.get(candidate);
    return { ...candidate, chosen, reason, ...(rank === undefined ? {} : { rank }) };
  });
}

/** The chosen one and, where the need allows it, those to be tried after it, in order. Throws CAPABILITY_MISSING with the reason each mechanism was rejected for, INVALID_SPEC where the needs exclude each other. */
export function choose(verdicts: readonly Verdict[], need: Need, offers: string): readonly Verdict[] {
  const order = verdicts.filter(verdict => verdict.rank !== undefined).sort((a, b) => a.rank! - b.rank!);
  if (order.length > 0) return order;
  refuseContradiction(verdicts, need);
  const reasons = verdicts.map(v => `${v.mechanism} (${v.level}): ${v.reason}`).join('; ');
  const stated = describeNeed(need);
  throw new PortLayerError(
    'CAPABILITY_MISSING',
    stated === ''
      ? 'No level of this container offers a checkpoint mechanism.'
      : `No level of this container offers a checkpoint that can do this: ${stated}.`,
    {
      required: stated || 'a checkpoint mechanism',
      found: reasons || `no mechanism at any level; ${offers}`,
      remedy:
        'Ask for less (portlayer checkpoint create --dry-run shows what each mechanism can do), give the task an exit-code convention (portlayer run --checkpoint-exit 85), or choose an executor or loader that can checkpoint (portlayer capabilities).',
      facts: { levels: offers, placement: 'none' },
    },
  );
}

function objectionTo(candidate: Candidate, need: Need): Objection {
  const hard = (reason: string): Objection => ({ reason, fallback: false });
  const { allowed = [], keep, maxPauseMs } = need;
  if (candidate.unavailable !== undefined) return hard(candidate.unavailable);
  if (allowed.length > 0 && !allowed.includes(candidate.mechanism))
    return hard(`the container's policy allows its guest only ${allowed.join(', ')}`);
  if (need.restore === 'elsewhere' && candidate.restores === 'here')
    return hard('it can be restored only where it was taken, and a restore elsewhere was asked for');
  if (need.durability === 'committed' && candidate.ephemeral)
    return hard('it cannot be made durable, and durability committed was asked for');
  const pause = candidate.estimate?.pauseMs;
  if (maxPauseMs !== undefined && pause && pause.high > maxPauseMs)
    return hard(`its pause is expected at ${span(pause)} ms, and at most ${maxPauseMs} ms were asked for`);
  const named = namedBy(need);
  if (named !== undefined && candidate.mechanism !== named)
    return { reason: `${named} was asked for`, fallback: true };
  if (keep !== undefined && !keepsAsMuch(candidate.preserves, keep))
    return { reason: `it keeps ${candidate.preserves}, and ${keep} was asked for`, fallback: true };
  return undefined;
}

/** Negative where `a` comes first: what is known to meet the longest pause, then the innermost level, then what keeps least. */
function leastConstrained(a: Candidate, b: Candidate, need: Need): number {
  return (
    (need.maxPauseMs === undefined ? 0 : Number(!a.estimate) - Number(!b.estimate)) ||
    LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) ||
    most(a) - most(b) ||
    (a.mechanism < b.mechanism ? -1 : Number(a.mechanism > b.mechanism))
  );
}

function most(candidate: Candidate): number {
  return PRESERVED.indexOf(candidate.preserves);
}

function whyChosen(candidate: Candidate, need: Need): string {
  const pause =
    need.maxPauseMs !== undefined && !candidate.estimate
      ? `; its pause is not known yet, and is ended at ${need.maxPauseMs} ms`
      : '';
  if (namedBy(need) !== undefined) return `asked for by name${pause}`;
  const kept = need.keep === undefined ? 'can' : `keeps ${need.keep}`;
  return `least constrained level that ${kept} (${candidate.level})${pause}`;
}

function whyNot(candidate: Candidate, chosen: Candidate, need: Need): string {
  if (need.maxPauseMs !== undefined && chosen.estimate && !candidate.estimate)
    return `its pause is not known yet, that of ${chosen.mechanism} is`;
  if (candidate.level !== chosen.level)
    return `${chosen.mechanism} at level ${chosen.level} is less constrained`;
  return `${chosen.mechanism} at the same level is enough`;
}

function namedBy(need: Need): string | undefined {
  return need.mechanism === 'any' ? undefined : need.mechanism;
}

function span({ likely, low, high }: { likely: number; low: number; high: number }): string {
  return `${round(likely)} (${round(low)} to ${round(high)})`;
}

function round(value: number): string {
  return String(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10);
}

/** A mechanism by name and a need that its card rules out can never be met together, on any host. */
function refuseContradiction(verdicts: readonly Verdict[], need: Need): void {
  const named = verdicts.find(verdict => verdict.mechanism === namedBy(need));
  if (!named) return;
  const by = `mechanism ${named.mechanism}`;
  const remedy = 'Name another mechanism, none, or ask for less.';
  if (need.keep !== undefined && !keepsAsMuch(named.preserves, need.keep))
    throw contradiction(`keep ${need.keep}`, `${by}, which keeps ${named.preserves}`, remedy, 'need.keep');
  if (need.restore === 'elsewhere' && named.restores === 'here')
    throw contradiction('restore elsewhere', `${by}, which is restored here only`, remedy, 'need.restore');
  if (need.durability === 'committed' && named.ephemeral)
    throw contradiction('durability committed', `${by}, which cannot be durable`, remedy, 'durability');
}
