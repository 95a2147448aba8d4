import { expect } from 'chai';
import type { Estimate } from '../../../../portlayer/planner/estimate.js';
import type { Need } from '../../../../portlayer/planner/need.js';
import { type Candidate, plan } from '../../../../portlayer/planner/plan.js';

const costs = (pause: number, bytes: number): Estimate => {
  const around = (value: number) => ({ low: value / 2, likely: value, high: value * 2, samples: 5 });
  return { pauseMs: around(pause), totalMs: around(pause * 4), bytes: around(bytes), from: 'container' };
};

/** The table of the README: a task with an exit-code convention, under DMTCP, in an OCI container, in a machine that a vCenter can clone. */
const all: readonly Candidate[] = [
  {
    mechanism: 'exit-code',
    level: 'task',
    preserves: 'disk',
    restores: 'elsewhere',
    keeps: [],
    loses: [],
    estimate: costs(6, 1e5),
  },
  {
    mechanism: 'dmtcp',
    level: 'loader',
    preserves: 'process',
    restores: 'elsewhere',
    keeps: [],
    loses: [],
    estimate: costs(300, 2e7),
  },
  {
    mechanism: 'criu',
    level: 'executor',
    preserves: 'process',
    restores: 'elsewhere',
    keeps: [],
    loses: [],
    estimate: costs(60, 2e7),
  },
  {
    mechanism: 'vmfork',
    level: 'environment',
    preserves: 'machine',
    restores: 'here',
    ephemeral: true,
    keeps: [],
    loses: [],
    estimate: costs(4, 3e8),
  },
];
const without = (mechanism: string): readonly Candidate[] => all.filter(c => c.mechanism !== mechanism);

const requests: readonly (readonly [string, readonly Candidate[], Need, string | undefined])[] = [
  ['nothing stated', all, {}, 'exit-code'],
  ['a task with no convention', without('exit-code'), {}, 'dmtcp'],
  ['neither convention nor DMTCP', without('exit-code').filter(c => c.mechanism !== 'dmtcp'), {}, 'criu'],
  ['keep the processes', all, { keep: 'process' }, 'dmtcp'],
  ['keep the processes, pause at most 200 ms', all, { keep: 'process', maxPauseMs: 200 }, 'criu'],
  ['keep the processes, pause at most 10 ms', all, { keep: 'process', maxPauseMs: 10 }, 'vmfork'],
  ['keep the machine', all, { keep: 'machine' }, 'vmfork'],
  ['keep the machine, durable', all, { keep: 'machine', durability: 'committed' }, undefined],
  ['keep the machine, restore elsewhere', all, { keep: 'machine', restore: 'elsewhere' }, undefined],
  ['by name', all, { mechanism: 'criu' }, 'criu'],
  ['the policy allows only criu', all, { mechanism: 'any', allowed: ['criu'] }, 'criu'],
  ['pause at most 1 ms', all, { maxPauseMs: 1 }, undefined],
];

describe('twelve requests', () => {
  for (const [name, candidates, need, expected] of requests) {
    it(`${name}: ${expected ?? 'refused'}`, () => {
      const verdicts = plan(candidates, need);
      expect(verdicts.find(v => v.chosen)?.mechanism).to.equal(expected);
      for (const verdict of verdicts) expect(verdict.reason).to.not.equal('');
    });
  }

  it('gives for each that was not chosen the reason that decided it', () => {
    const reasons = Object.fromEntries(
      plan(all, { keep: 'process', maxPauseMs: 200 }).map(v => [v.mechanism, v.reason]),
    );
    expect(reasons).to.deep.equal({
      'exit-code': 'it keeps disk, and process was asked for',
      dmtcp: 'its pause is expected at 300 (150 to 600) ms, and at most 200 ms were asked for',
      criu: 'least constrained level that keeps process (executor)',
      vmfork: 'criu at level executor is less constrained',
    });
  });

  it('orders a fall-back: what meets the need, then what keeps most of what was asked', () => {
    const order = plan(all, { mechanism: 'criu', fallback: true })
      .filter(v => v.rank !== undefined)
      .sort((a, b) => a.rank! - b.rank!)
      .map(v => v.mechanism);
    expect(order).to.deep.equal(['criu', 'vmfork', 'dmtcp', 'exit-code']);
  });
});
