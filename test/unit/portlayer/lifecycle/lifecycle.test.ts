import { expect } from 'chai';
import { checkpointTransitions } from '../../../../portlayer/lifecycle/checkpoint-states.js';
import { containerTransitions } from '../../../../portlayer/lifecycle/container-states.js';
import { advance, type TransitionTable } from '../../../../portlayer/lifecycle/lifecycle.js';
import { CHECKPOINT_STATES } from '../../../../portlayer/model/checkpoint-record.js';
import { CONTAINER_STATES } from '../../../../portlayer/model/container-record.js';

function reachable<S extends string>(table: TransitionTable<S, string>, first: S): Set<S> {
  const found = new Set([first]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const { from, to } of Object.values(table) as TransitionTable<S, string>[string][]) {
      if (from.some(state => found.has(state)) && !found.has(to)) {
        found.add(to);
        grew = true;
      }
    }
  }
  return found;
}

describe('the life cycles', () => {
  it('reach every state from the first one', () => {
    expect([...reachable(containerTransitions, 'created')]).to.have.members([...CONTAINER_STATES]);
    expect([...reachable(checkpointTransitions, 'requested')]).to.have.members([...CHECKPOINT_STATES]);
  });

  it('let no committed checkpoint become anything but removed', () => {
    const from = Object.values(checkpointTransitions).filter(t => t.from.includes('committed'));
    expect(from.map(t => t.to)).to.deep.equal(['removed']);
  });

  it('let every container that is not being removed come to an end', () => {
    for (const state of CONTAINER_STATES) {
      if (state === 'created' || state === 'exited' || state === 'removing') continue;
      expect(advance(containerTransitions, 'it', state, 'exit')).to.equal('exited');
    }
  });

  it('refuse a step that is not in the table, naming the state and what to do', () => {
    expect(() => advance(containerTransitions, 'container a', 'running', 'remove'))
      .to.throw()
      .that.includes({
        code: 'WRONG_STATE',
        found: 'running',
        remedy: 'Stop it first, with: portlayer stop NAME',
      });
  });
});
