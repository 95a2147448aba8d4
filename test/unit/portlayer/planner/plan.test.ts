import { expect } from 'chai';
import fc from 'fast-check';
import { keepsAsMuch, PRESERVED } from '../../../../portlayer/model/fidelity.js';
import { LEVELS } from '../../../../portlayer/model/level.js';
import type { Estimate } from '../../../../portlayer/planner/estimate.js';
import { checkNeed, type Need } from '../../../../portlayer/planner/need.js';
import { type Candidate, choose, plan } from '../../../../portlayer/planner/plan.js';

const estimate = fc
  .tuple(fc.double({ min: 0.1, max: 5000, noNaN: true }), fc.double({ min: 1, max: 10, noNaN: true }))
  .map(([likely, factor]): Estimate => {
    const around = (value: number) => ({
      low: value / factor,
      likely: value,
      high: value * factor,
      samples: 3,
    });
    return { pauseMs: around(likely), totalMs: around(likely * 3), bytes: around(1e6), from: 'host' };
  });
const candidate: fc.Arbitrary<Candidate> = fc.record(
  {
    mechanism: fc.constantFrom('vmfork', 'criu', 'dmtcp', 'exit-code'),
    level: fc.constantFrom(...LEVELS),
    unavailable: fc.string({ minLength: 1 }),
    preserves: fc.constantFrom(...PRESERVED),
    restores: fc.constantFrom('here' as const, 'elsewhere' as const),
    ephemeral: fc.boolean(),
    keeps: fc.constant([]),
    loses: fc.constant([]),
    estimate,
  },
  { requiredKeys: ['mechanism', 'level', 'preserves', 'restores', 'keeps', 'loses'] },
);
const candidates = fc.uniqueArray(candidate, { selector: c => `${c.mechanism}@${c.level}`, maxLength: 8 });
const need: fc.Arbitrary<Need> = fc.record(
  {
    mechanism: fc.constantFrom('any', 'criu', 'vmfork', 'exit-code'),
    allowed: fc.subarray(['vmfork', 'criu', 'dmtcp', 'exit-code']),
    keep: fc.constantFrom(...PRESERVED),
    restore: fc.constantFrom('here' as const, 'elsewhere' as const),
    maxPauseMs: fc.integer({ min: 1, max: 10_000 }),
    durability: fc.constantFrom('captured' as const, 'committed' as const),
    fallback: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** Whether a candidate meets every need that is stated, as a person would say it; written apart from the planner. */
function meets(c: Candidate, asked: Need): boolean {
  const named = asked.mechanism !== undefined && asked.mechanism !== 'any';
  return (
    c.unavailable === undefined &&
    (!named || c.mechanism === asked.mechanism) &&
    (!asked.allowed?.length || asked.allowed.includes(c.mechanism)) &&
    (asked.keep === undefined || keepsAsMuch(c.preserves, asked.keep)) &&
    (asked.restore !== 'elsewhere' || c.restores === 'elsewhere') &&
    (asked.durability !== 'committed' || !c.ephemeral) &&
    (asked.maxPauseMs === undefined || !c.estimate || c.estimate.pauseMs.high <= asked.maxPauseMs)
  );
}

describe('the planner', () => {
  it('never chooses what violates a stated need, and gives a reason for every other', () => {
    fc.assert(
      fc.property(candidates, need, (all, asked) => {
        const verdicts = plan(all, asked);
        const chosen = verdicts.filter(v => v.chosen);
        expect(verdicts).to.have.length(all.length);
        expect(chosen.length).to.be.at.most(1);
        for (const verdict of verdicts) expect(verdict.reason).to.not.equal('');
        for (const one of chosen) expect(meets(one, asked)).to.equal(true);
      }),
      { numRuns: 500 },
    );
  });

  it('finds a choice exactly where some candidate meets the need', () => {
    fc.assert(
      fc.property(candidates, need, (all, asked) => {
        expect(plan(all, asked).some(v => v.chosen)).to.equal(all.some(c => meets(c, asked)));
      }),
      { numRuns: 500 },
    );
  });

  it('never loses a choice by one more candidate, or by a capability that comes back', () => {
    fc.assert(
      fc.property(candidates, candidate, need, (all, more, asked) => {
        if (!plan(all, asked).some(v => v.chosen)) return;
        expect(plan([...all, more], asked).some(v => v.chosen)).to.equal(true);
        const repaired = all.map(({ unavailable: _, ...rest }) => rest);
        expect(plan(repaired, asked).some(v => v.chosen)).to.equal(true);
      }),
    );
  });

  it('chooses the same whatever order it is told of the mechanisms in', () => {
    fc.assert(
      fc.property(candidates, need, (all, asked) => {
        const name = (list: readonly Candidate[]) => {
          const one = plan(list, asked).find(v => v.chosen);
          return one && `${one.mechanism}@${one.level}`;
        };
        expect(name([...all].reverse())).to.equal(name(all));
      }),
    );
  });

  it('ranks the chosen one first, and others only where the caller allows a fall-back; never one its policy forbids', () => {
    fc.assert(
      fc.property(candidates, need, (all, asked) => {
        const verdicts = plan(all, asked);
        const ranked = verdicts.filter(v => v.rank !== undefined).sort((a, b) => a.rank! - b.rank!);
        expect(ranked.map(v => v.rank)).to.deep.equal(ranked.map((_, i) => i));
        expect(ranked[0]).to.equal(verdicts.find(v => v.chosen));
        if (!asked.fallback) expect(ranked.length).to.be.at.most(1);
        for (const one of ranked) {
          const { keep: _, mechanism: __, ...firm } = asked;
          expect(meets(one, firm)).to.equal(true);
        }
      }),
    );
  });

  const one = (change: Partial<Candidate>): Candidate => ({
    mechanism: 'criu',
    level: 'executor',
    preserves: 'process',
    restores: 'elsewhere',
    keeps: [],
    loses: [],
    ...change,
  });
  const refused = (all: readonly Candidate[], asked: Need) =>
    expect(() => choose(plan(all, asked), asked, 'offers')).to.throw();

  it('refuses with the reason for each mechanism, as a placement that does not exist', () => {
    refused([one({ unavailable: 'criu: not found' })], {}).that.includes({
      code: 'CAPABILITY_MISSING',
      found: 'criu (executor): criu: not found',
    });
    refused([one({ mechanism: 'exit-code', level: 'task', preserves: 'disk' })], { keep: 'process' })
      .that.includes({ code: 'CAPABILITY_MISSING' })
      .and.has.nested.property('facts.placement', 'none');
  });

  it('calls needs that exclude each other a contradiction, naming both', () => {
    expect(() => checkNeed({ restore: 'elsewhere', durability: 'captured' }))
      .to.throw()
      .that.includes({ code: 'INVALID_SPEC' })
      .and.has.property('found')
      .that.contains('captured');
    for (const maxPauseMs of [0, -1, Number.NaN, 3_600_001])
      expect(() => checkNeed({ maxPauseMs }))
        .to.throw()
        .that.includes({ code: 'INVALID_SPEC' });
    const disk = one({ mechanism: 'exit-code', level: 'task', preserves: 'disk' });
    refused([disk], { mechanism: 'exit-code', keep: 'machine' }).that.includes({
      code: 'INVALID_SPEC',
      required: 'keep machine',
      found: 'mechanism exit-code, which keeps disk',
    });
    refused([one({ restores: 'here' })], { mechanism: 'criu', restore: 'elsewhere' }).that.includes({
      code: 'INVALID_SPEC',
    });
    refused([one({ ephemeral: true })], { mechanism: 'criu', durability: 'committed' }).that.includes({
      code: 'INVALID_SPEC',
    });
  });
});
