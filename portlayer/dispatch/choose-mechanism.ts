import { describeOffers, type Negotiated, negotiate } from '../model/capability.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { type Candidate, choose, plan, type Verdict } from '../planner/plan.js';
import type { Mechanism } from '../plugin/mechanism.js';
import { type Core, executorOf } from './core.js';
import { EXIT_CODE, exitCodeCard } from './exit-code.js';

/** What was chosen, and the plugin that carries it out; absent for `exit-code`, which the core has itself. */
export interface Chosen {
  readonly verdict: Verdict;
  readonly mechanism?: Mechanism;
}

/** What the container's four levels can do together. */
export async function negotiateFor(core: Core, spec: ContainerSpec): Promise<Negotiated> {
  const offers = await core.registry.offers(spec.environment, spec.executor, spec.loader);
  const task = spec.task.exitCode ? [`checkpoint:${EXIT_CODE}`] : [];
  return negotiate([...offers, { level: 'task', name: 'task', capabilities: task }]);
}

/** Every mechanism of the container's levels with the verdict on it. */
export async function planFor(
  core: Core,
  spec: ContainerSpec,
  mechanism?: string,
): Promise<readonly Verdict[]> {
  const negotiated = await negotiateFor(core, spec);
  return plan(candidates(core, spec, negotiated), mechanism === undefined ? {} : { mechanism });
}

/** The mechanism to use. Throws CAPABILITY_MISSING with the reason for each that was not chosen. */
export async function chooseFor(core: Core, spec: ContainerSpec, mechanism?: string): Promise<Chosen> {
  const negotiated = await negotiateFor(core, spec);
  const need = mechanism === undefined ? {} : { mechanism };
  const verdict = choose(plan(candidates(core, spec, negotiated), need), need, describeOffers(negotiated));
  const facet = facets(core, spec).find(m => m.name === verdict.mechanism && m.level === verdict.level);
  return facet ? { verdict, mechanism: facet } : { verdict };
}

/** The mechanism that made a checkpoint, to restore it with; undefined for `exit-code`. */
export function mechanismNamed(core: Core, spec: ContainerSpec, name: string): Mechanism | undefined {
  return facets(core, spec).find(mechanism => mechanism.name === name);
}

function facets(core: Core, spec: ContainerSpec): readonly Mechanism[] {
  const found = [executorOf(core, spec).checkpoint, core.registry.loader(spec.loader).checkpoint];
  return found.filter(mechanism => mechanism !== undefined);
}

function candidates(core: Core, spec: ContainerSpec, negotiated: Negotiated): readonly Candidate[] {
  const withheld = (mechanism: string): string | undefined =>
    negotiated.withheld.find(w => w.tag === `checkpoint:${mechanism}`)?.reason;
  const ofTask: Candidate = {
    mechanism: EXIT_CODE,
    level: 'task',
    keeps: exitCodeCard.keeps,
    loses: exitCodeCard.loses,
    ...unavailable(
      spec.task.exitCode
        ? withheld(EXIT_CODE)
        : 'the task has no exit-code convention (portlayer run --checkpoint-exit)',
    ),
  };
  const ofPlugins = facets(core, spec).map(mechanism => ({
    mechanism: mechanism.name,
    level: mechanism.level,
    keeps: mechanism.card.keeps,
    loses: mechanism.card.loses,
    ...unavailable(withheld(mechanism.name)),
  }));
  return [ofTask, ...ofPlugins];
}

function unavailable(reason: string | undefined): { unavailable?: string } {
  return reason === undefined ? {} : { unavailable: reason };
}
