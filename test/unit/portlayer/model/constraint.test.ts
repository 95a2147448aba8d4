import { expect } from 'chai';
import { compareVersions, judgeConstraints } from '../../../../portlayer/model/constraint.js';

describe('constraints', () => {
  const judge = (
    relation: 'equal' | 'at-least' | 'superset' | 'exists',
    required: string,
    found?: string,
  ): boolean =>
    judgeConstraints(
      [{ level: 'executor', key: 'k', relation, required }],
      found === undefined ? {} : { 'executor.k': found },
    )[0]!.met;

  it('are met or not, as their relation says', () => {
    expect(judge('equal', 'a', 'a')).to.equal(true);
    expect(judge('equal', 'a', 'b')).to.equal(false);
    expect(judge('equal', 'a')).to.equal(false);
    expect(judge('exists', '', 'x')).to.equal(true);
    expect(judge('exists', '')).to.equal(false);
    expect(judge('superset', 'sse,avx', 'avx,sse,fma')).to.equal(true);
    expect(judge('superset', 'sse,avx', 'sse')).to.equal(false);
    expect(judge('at-least', '4.2', '4.10')).to.equal(true);
    expect(judge('at-least', '4.2', '4.1.9')).to.equal(false);
    expect(judge('at-least', '4.2')).to.equal(false);
  });

  it('compare versions part by part', () => {
    expect(compareVersions('6.1.0-56', '6.1.0-6')).to.be.greaterThan(0);
    expect(compareVersions('7.2', '7.2.0')).to.equal(0);
    expect(compareVersions('1.9', '1.10')).to.be.lessThan(0);
  });
});
