import { expect } from 'chai';
import { createTriggerGate } from '../../../../portlayer/policy/trigger-gate.js';

const policy = { allow: true, mechanisms: [], perMinute: 5 };

describe('the trigger gate', () => {
  it('admits 5 of 20 triggers at 5 a minute, and says when to ask again', () => {
    const gate = createTriggerGate();
    const outcomes = Array.from({ length: 20 }, () => {
      try {
        gate.admit('a', policy, 'any', 1000);
        return 'admitted';
      } catch (caught) {
        expect(caught).to.have.nested.property('facts.retryAfterMs', '12000');
        return (caught as { code: string }).code;
      }
    });
    expect(outcomes.filter(o => o === 'admitted')).to.have.length(5);
    expect(outcomes.filter(o => o === 'RATE_LIMITED')).to.have.length(15);
  });

  it('admits again as time goes by, and not by a clock that goes back', () => {
    const gate = createTriggerGate();
    for (let i = 0; i < 5; i++) gate.admit('a', policy, 'any', 100_000);
    expect(() => gate.admit('a', policy, 'any', 0))
      .to.throw()
      .that.includes({ code: 'RATE_LIMITED' });
    gate.admit('a', policy, 'any', 12_000);
    expect(() => gate.admit('a', policy, 'any', 12_001)).to.throw();
  });

  it('counts each container by itself', () => {
    const gate = createTriggerGate();
    for (let i = 0; i < 5; i++) gate.admit('a', policy, 'any', 0);
    gate.admit('b', policy, 'any', 0);
  });

  it('refuses what the policy forbids, as a reason of its own', () => {
    const gate = createTriggerGate();
    expect(() => gate.admit('a', { ...policy, allow: false }, 'any', 0))
      .to.throw()
      .that.includes({ code: 'TRIGGER_DENIED' });
    expect(() => gate.admit('a', { ...policy, mechanisms: ['criu'] }, 'vmfork', 0))
      .to.throw()
      .that.includes({ code: 'TRIGGER_DENIED', required: 'one of criu' });
  });
});
