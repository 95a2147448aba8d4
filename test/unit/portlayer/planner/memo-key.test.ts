import { expect } from 'chai';
import fc from 'fast-check';
import { expired, memoKey, memoPart, whyMissed } from '../../../../portlayer/planner/memo-key.js';

const parts = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), {
  noNullPrototype: true,
});

describe('the key of a memoized start', () => {
  it('is the same for the same parts in any order, and another for any other', () => {
    fc.assert(
      fc.property(parts, fc.string(), fc.string({ minLength: 1 }), (some, name, more) => {
        const turned = Object.fromEntries(Object.entries(some).reverse());
        expect(memoKey(turned)).to.equal(memoKey(some));
        expect(memoKey({ ...some, [name]: `${some[name] ?? ''}${more}` })).to.not.equal(memoKey(some));
      }),
    );
    expect(memoPart('a')).to.match(/^[0-9a-f]{16}$/);
  });

  it('explains a miss by the entry that differs least', () => {
    expect(whyMissed({ a: '1' }, [])).to.equal(undefined);
    const entries = [
      { a: '2', b: '2', c: '2' },
      { a: '1', b: '2', c: '1' },
    ];
    expect(whyMissed({ a: '1', b: '1', c: '1' }, entries)).to.equal('changed: b');
    expect(whyMissed({ a: '1', 'env X': '1' }, [{ a: '1' }])).to.equal('changed: env X');
  });

  it('expires by age alone, and by no clock that went back', () => {
    expect(expired(1000, 500, 1499)).to.equal(undefined);
    expect(expired(1000, 500, 1500)).to.contain('500 ms ago');
    expect(expired(1000, 500, 0)).to.equal(undefined);
  });
});
