import { expect } from 'chai';
import fc from 'fast-check';
import { estimateFrom, expect as expectNext } from '../../../../portlayer/planner/estimate.js';

/** Numbers in [0, 1) that are the same in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('estimates', () => {
  it('are learnt from nothing where there is nothing', () => {
    expect(estimateFrom([], 'host')).to.equal(undefined);
  });

  it('lie in their interval, which is wide while little is known', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 30 }),
        values => {
          const { low, likely, high, samples } = expectNext(values);
          expect(low).to.be.below(likely);
          expect(likely).to.be.below(high);
          expect(samples).to.equal(values.length);
        },
      ),
    );
    const spread = (n: number) => {
      const { low, high } = expectNext(Array.from({ length: n }, (_, i) => 100 * 1.2 ** ((i % 3) - 1)));
      return high / low;
    };
    expect(spread(1)).to.be.above(spread(3));
    expect(spread(3)).to.be.above(spread(12));
  });

  it('hold four times out of five, whatever they were learnt from', () => {
    const random = seeded(42);
    // A log-normal pause with a spread of a factor of 1.6, as measured on a busy host.
    const draw = () =>
      40 * Math.exp(0.47 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
    for (const learnt of [3, 8, 20]) {
      let inside = 0;
      const rounds = 2000;
      for (let i = 0; i < rounds; i++) {
        const { low, high } = expectNext(Array.from({ length: learnt }, draw));
        const next = draw();
        if (next >= low && next <= high) inside += 1;
      }
      expect(inside / rounds, `learnt from ${learnt}`).to.be.within(0.77, 0.85);
    }
  });
});
