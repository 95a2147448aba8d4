import { describeOffers, type Negotiated, negotiate } from '../model/capability.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { checkNeed, type Need } from '../planner/need.js';
import { type Candidate, choose, plan, type Verdict } from '../planner/plan.js';
import type { FidelityCard, Mechanism } from '../plugin/mechanism.js';
import { type Core, executorOf } from './core.js';
import { EXIT_CODE, exitCodeCard } from './exit-code.js';
import { estimateOf } from './past-checkpoints.js';

/** What was chosen, and the plugin that carries it out; absent for `exit-code`, which the core has itself. */
export interface Chosen {
  readonly verdict: Verdict;
  readonly mechanism?: Mechanism;
}

/** A container, or one that is only thought of. */
export interface Subject {
  readonly spec: ContainerSpec;
  /** Absent: its own past is not known. */
  readonly uid?: string;
}

/** What the container's four levels can do together. */
export async function negotiateFor(core: Core, spec: ContainerSpec): Promise<Negotiated> {
  const offers = await core.registry.offers(spec.environment, spec.executor, spec.loader);
  const task = spec.task.exitCode ? [`checkpoint:${EXIT_CODE}`] : [];
  return negotiate([...offers, { level: 'task', name: 'task', capabilities: task }]);
}

/** Every mechanism of the container's levels with the verdict on it. Throws INVALID_SPEC for needs that contradict each other. */
export async function planFor(core: Core, subject: Subject, need: Need): Promise<readonly Verdict[]> {
  checkNeed(need);
  return plan(candidates(core, subject, await negotiateFor(core, subject.spec)), need);
}

/**
 * The mechanism to use and, where the need allows it, those to be tried after it. Throws CAPABILITY_MISSING with the
 * reason for each that does not fit.
 */
export async function chooseFor(core: Core, subject: Subject, need: Need): Promise<readonly Chosen[]> {
  checkNeed(need);
  const { spec } = subject;
  const negotiated = await negotiateFor(core, spec);
  const verdicts = plan(candidates(core, subject, negotiated), need);
  return choose(verdicts, need, describeOffers(negotiated)).map(verdict => {
    const facet = facets(core, spec).find(m => m.name === verdict.mechanism && m.level === verdict.level);
    return facet ? { verdict, mechanism: facet } : { verdict };
  });
}

/** The mechanism that made a checkpoint, to restore it with; undefined for `exit-code`. */
export function mechanismNamed(core: Core, spec: ContainerSpec, name: string): Mechanism | undefined {
  return facets(core, spec).find(mechanism => mechanism.name === name);
}

/** Whether a checkpoint cannot be made durable: it stays captured. */
export function isEphemeral(
  core: Core,
  { spec, mechanism }: { readonly spec: ContainerSpec; readonly mechanism: string },
): boolean {
  return mechanismNamed(core, spec, mechanism)?.card.ephemeral === true;
}

function facets(core: Core, spec: ContainerSpec): readonly Mechanism[] {
  const found = [executorOf(core, spec).checkpoint, core.registry.loader(spec.loader).checkpoint];
  return found.filter(mechanism => mechanism !== undefined);
}

function candidates(core: Core, { spec, uid }: Subject, negotiated: Negotiated): readonly Candidate[] {
  const { withholds = {} } = core.registry.loader(spec.loader);
  const candidate = (
    name: string,
    level: Candidate['level'],
    card: FidelityCard,
    missing?: string,
  ): Candidate => {
    const { needs: _, ...kept } = card;
    const unavailable =
      missing ??
      withholds[`checkpoint:${name}`] ??
      negotiated.withheld.find(w => w.tag === `checkpoint:${name}`)?.reason;
    const estimate = estimateOf(core, spec, uid, name);
    return {
      mechanism: name,
      level,
      ...kept,
      ...(unavailable === undefined ? {} : { unavailable }),
      ...(estimate === undefined ? {} : { estimate }),
    };
  };
  const noConvention = spec.task.exitCode
    ? undefined
    : 'the task has no exit-code convention (portlayer run --checkpoint-exit)';
  return [
    candidate(EXIT_CODE, 'task', exitCodeCard, noConvention),
    ...facets(core, spec).map(({ name, level, card }) => candidate(name, level, card)),
  ];
}
