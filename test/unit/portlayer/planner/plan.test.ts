import { expect } from 'chai';
import fc from 'fast-check';
import { LEVELS } from '../../../../portlayer/model/level.js';
import { type Candidate, choose, plan } from '../../../../portlayer/planner/plan.js';

const candidate = fc.record(
  {
    mechanism: fc.constantFrom('vmfork', 'criu', 'dmtcp', 'exit-code'),
    level: fc.constantFrom(...LEVELS),
    unavailable: fc.string({ minLength: 1 }),
    keeps: fc.constant([]),
    loses: fc.constant([]),
  },
  { requiredKeys: ['mechanism', 'level', 'keeps', 'loses'] },
) as fc.Arbitrary<Candidate>;
const candidates = fc.uniqueArray(candidate, { selector: c => `${c.mechanism}@${c.level}`, maxLength: 8 });
const need = fc
  .option(fc.constantFrom('any', 'criu', 'vmfork'), { nil: undefined })
  .map(m => (m ? { mechanism: m } : {}));

describe('the planner', () => {
  it('chooses at most one, that is available and the one asked for, and gives a reason for every other', () => {
    fc.assert(
      fc.property(candidates, need, (all, asked) => {
        const verdicts = plan(all, asked);
        const chosen = verdicts.filter(v => v.chosen);
        expect(verdicts).to.have.length(all.length);
        expect(chosen.length).to.be.at.most(1);
        for (const verdict of verdicts) expect(verdict.reason).to.not.equal('');
        for (const one of chosen) {
          expect(one.unavailable).to.equal(undefined);
          if (asked.mechanism && asked.mechanism !== 'any') expect(one.mechanism).to.equal(asked.mechanism);
        }
      }),
    );
  });

  it('finds a choice wherever there is one, and one more candidate never takes it away', () => {
    fc.assert(
      fc.property(candidates, candidate, need, (all, more, asked) => {
        const before = plan(all, asked).some(v => v.chosen);
        const after = plan([...all, more], asked).some(v => v.chosen);
        if (before) expect(after).to.equal(true);
      }),
    );
  });

  it('refuses with the reason for each mechanism', () => {
    const all: Candidate[] = [
      { mechanism: 'criu', level: 'executor', unavailable: 'criu: not found', keeps: [], loses: [] },
    ];
    expect(() => choose(plan(all, {}), {}, 'offers'))
      .to.throw()
      .that.includes({ code: 'CAPABILITY_MISSING', found: 'criu (executor): criu: not found' });
  });
});
