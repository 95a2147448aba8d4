import { expect } from 'chai';
import { expired } from '../../../../portlayer/dispatch/retention.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { sampleRecord } from '../store/stored.js';

const HOUR = 3_600_000;
const none = { count: 0, maxAgeMs: 0, bytes: 0 };

/** The n-th checkpoint of a container, committed at a time, which may be earlier than those before it. */
function taken(
  ordinal: number,
  committedAtMs: number,
  more: Partial<CheckpointRecord> = {},
): CheckpointRecord {
  const record = sampleRecord(String(committedAtMs).padStart(26, '0'), {
    files: {},
    storedBytes: 100,
    sources: [],
  });
  return { ...record, ordinal, committedAtMs, createdAtMs: committedAtMs, ...more };
}

/** As the catalog lists them: by CRID, the highest first. */
const listed = (...records: readonly CheckpointRecord[]): readonly CheckpointRecord[] =>
  [...records].sort((a, b) => (a.crid < b.crid ? 1 : -1));
const ordinals = (records: readonly CheckpointRecord[]): readonly number[] =>
  records.map(({ ordinal }) => ordinal).sort((a, b) => a - b);

describe('retention', () => {
  it('removes the oldest beyond a count, an age, or an amount of bytes', () => {
    const now = 10 * HOUR;
    const records = listed(...[1, 2, 3, 4, 5].map(n => taken(n, n * HOUR)));
    expect(ordinals(expired(records, none, now))).to.deep.equal([]);
    expect(ordinals(expired(records, { ...none, count: 2 }, now))).to.deep.equal([1, 2, 3]);
    expect(ordinals(expired(records, { ...none, maxAgeMs: 7 * HOUR }, now))).to.deep.equal([1, 2]);
    expect(ordinals(expired(records, { ...none, bytes: 250 }, now))).to.deep.equal([1, 2, 3]);
  });

  it('keeps the newest, pinned and published ones, whatever it says', () => {
    const records = listed(
      taken(1, HOUR, { published: 'a:b' }),
      taken(2, 2 * HOUR, { pinned: true }),
      taken(3, 3 * HOUR),
      taken(4, 4 * HOUR),
    );
    const strict = { count: 1, maxAgeMs: 1, bytes: 1 };
    expect(ordinals(expired(records, strict, 100 * HOUR))).to.deep.equal([3]);
  });

  it('keeps what was taken last after the clock went backwards, and removes what was taken before it', () => {
    const records = listed(taken(1, 50 * HOUR), taken(2, 51 * HOUR), taken(3, HOUR), taken(4, 2 * HOUR));
    const now = 2 * HOUR + 1;
    expect(ordinals(expired(records, { ...none, count: 2 }, now))).to.deep.equal([1, 2]);
    expect(ordinals(expired(records, { ...none, bytes: 150 }, now))).to.deep.equal([1, 2, 3]);
    // What claims to be from the future is not old until its time has come.
    expect(ordinals(expired(records, { ...none, maxAgeMs: HOUR / 2 }, now))).to.deep.equal([3]);
  });
});
