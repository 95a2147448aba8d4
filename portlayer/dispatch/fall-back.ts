import { type ErrorCode, PortLayerError } from '../errors/port-layer-error.js';
import { notKept } from '../model/fidelity.js';
import type { Need } from '../planner/need.js';
import type { Chosen } from './choose-mechanism.js';
import type { Core } from './core.js';

/** The label that says which mechanism was to be used, and why it was not. */
const FELL_FROM = 'portlayer/fell-from';
/** The label that says what a checkpoint does not keep that was asked for, comma-separated; empty: nothing is missing. */
const NOT_KEPT = 'portlayer/not-kept';

/** What a mechanism ends with where it is the container that does not let itself be dumped, or the tool that fails. */
const CANNOT: readonly ErrorCode[] = [
  'QUIESCE_TIMEOUT',
  'WRONG_STATE',
  'EXECUTOR_UNAVAILABLE',
  'CAPABILITY_MISSING',
];

/**
 * Tries mechanisms in their order until one can: the next only where the one before could not quiesce or dump, and the
 * container still runs. What is taken by a later one carries labels that say so. Throws what the last one threw.
 */
export async function firstThatCan<T>(
  core: Core,
  uid: string,
  need: Need,
  order: readonly Chosen[],
  signal: AbortSignal,
  take: (chosen: Chosen, labels: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const [first] = order;
  const reasons: string[] = [];
  for (const [index, chosen] of order.entries()) {
    const labels = index === 0 ? {} : labelsOf(need, first!, chosen, reasons);
    try {
      return await take(chosen, labels);
    } catch (caught) {
      const error = PortLayerError.from(caught);
      const next = order[index + 1];
      const runs = ['running', 'paused'].includes(core.catalog.containerByUid(uid)?.state ?? '');
      if (!next || !runs || signal.aborted || !CANNOT.includes(error.code)) throw caught;
      reasons.push(`${chosen.verdict.mechanism}: ${error.code}`);
      core.ledger.write({
        about: 'container',
        id: core.catalog.containerByUid(uid)!.spec.name,
        type: 'fell-back',
        facts: { uid, from: chosen.verdict.mechanism, to: next.verdict.mechanism, code: error.code },
      });
    }
  }
  throw new Error('no mechanism to try');
}

/** Source of the bound: a label's value has at most 255 characters. */
const MAX_LABEL = 255;

function labelsOf(
  need: Need,
  first: Chosen,
  taken: Chosen,
  reasons: readonly string[],
): Readonly<Record<string, string>> {
  const wanted = need.keep ?? first.verdict.preserves;
  return {
    [FELL_FROM]: reasons.join('; ').slice(0, MAX_LABEL),
    [NOT_KEPT]: notKept(wanted, taken.verdict.preserves).join(','),
  };
}
