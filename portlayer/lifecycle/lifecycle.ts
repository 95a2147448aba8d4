import { PortLayerError } from '../errors/port-layer-error.js';

/** From which states an event is legal, and which state it leads to. */
export interface Transition<S extends string> {
  readonly from: readonly S[];
  readonly to: S;
}

/** A whole life as a table: one row for each event. */
export type TransitionTable<S extends string, E extends string> = Readonly<Record<E, Transition<S>>>;

/** The state that `event` leads to from `state`. Throws WRONG_STATE where the table has no such step. */
export function advance<S extends string, E extends string>(
  table: TransitionTable<S, E>,
  subject: string,
  state: S,
  event: E,
): S {
  const transition = table[event];
  if (transition.from.includes(state)) return transition.to;
  throw new PortLayerError('WRONG_STATE', `${subject} is ${state}; ${event} is not possible now.`, {
    required: transition.from.join(' or '),
    found: state,
    remedy: remedyFor(state),
    facts: { state, event },
  });
}

/** True where the table has a step for `event` from `state`. */
export function permits<S extends string, E extends string>(
  table: TransitionTable<S, E>,
  state: S,
  event: E,
): boolean {
  return table[event].from.includes(state);
}

function remedyFor(state: string): string {
  switch (state) {
    case 'running':
      return 'Stop it first, with: portlayer stop NAME';
    case 'paused':
      return 'Let it run again first, with: portlayer unpause NAME';
    case 'created':
    case 'exited':
      return 'Start it first, with: portlayer start NAME';
    case 'starting':
    case 'iterating':
    case 'stopping':
      return 'Wait a moment and repeat the call.';
    default:
      return 'Look at its state with: portlayer inspect NAME';
  }
}
