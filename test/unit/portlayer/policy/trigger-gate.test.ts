import { expect } from 'chai';
import type { TriggerPolicy } from '../../../../portlayer/model/container-spec.js';
import { createTriggerGate, type TriggerGate } from '../../../../portlayer/policy/trigger-gate.js';

/** Admits one and lets it end at once. */
function admit(gate: TriggerGate, uid: string, asked: TriggerPolicy, mechanism: string, nowMs: number): void {
  gate.admit(uid, asked, mechanism, nowMs, () => ({ checkpoints: 0, bytes: 0 }))();
}

const policy = { allow: true, mechanisms: [], perMinute: 5 };

describe('the trigger gate', () => {
  it('admits 5 of 20 triggers at 5 a minute, and says when to ask again', () => {
    const gate = createTriggerGate();
    const outcomes = Array.from({ length: 20 }, () => {
      try {
        admit(gate, 'a', policy, 'any', 1000);
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
    for (let i = 0; i < 5; i++) admit(gate, 'a', policy, 'any', 100_000);
    expect(() => admit(gate, 'a', policy, 'any', 0))
      .to.throw()
      .that.includes({ code: 'RATE_LIMITED' });
    admit(gate, 'a', policy, 'any', 12_000);
    expect(() => admit(gate, 'a', policy, 'any', 12_001)).to.throw();
  });

  it('counts each container by itself', () => {
    const gate = createTriggerGate();
    for (let i = 0; i < 5; i++) admit(gate, 'a', policy, 'any', 0);
    admit(gate, 'b', policy, 'any', 0);
  });

  it('refuses what the policy forbids, as a reason of its own', () => {
    const gate = createTriggerGate();
    expect(() => admit(gate, 'a', { ...policy, allow: false }, 'any', 0))
      .to.throw()
      .that.includes({ code: 'TRIGGER_DENIED' });
    expect(() => admit(gate, 'a', { ...policy, mechanisms: ['criu'] }, 'vmfork', 0))
      .to.throw()
      .that.includes({ code: 'TRIGGER_DENIED', required: 'one of criu' });
  });

  it('lets one trigger of a container through at a time, and the next when that one is answered', () => {
    const gate = createTriggerGate();
    const none = () => ({ checkpoints: 0, bytes: 0 });
    const done = gate.admit('a', policy, 'any', 0, none);
    expect(() => gate.admit('a', policy, 'any', 0, none))
      .to.throw()
      .that.includes({ code: 'OPERATION_PENDING' });
    gate.admit('b', policy, 'any', 0, none);
    done();
    gate.admit('a', policy, 'any', 0, none);
  });

  it('refuses at a quota of checkpoints or bytes, and says which', () => {
    const gate = createTriggerGate();
    const used = () => ({ checkpoints: 3, bytes: 1000 });
    const attempt = (more: Partial<TriggerPolicy>) =>
      gate.admit('a', { ...policy, ...more }, 'any', 0, used)();
    expect(() => attempt({ maxCheckpoints: 3 }))
      .to.throw()
      .that.includes({ code: 'QUOTA_EXCEEDED', found: '3 checkpoints' });
    expect(() => attempt({ maxBytes: 1000 }))
      .to.throw()
      .that.includes({ code: 'QUOTA_EXCEEDED', found: '1000 bytes' });
    attempt({ maxCheckpoints: 4, maxBytes: 1001 });
  });
});
