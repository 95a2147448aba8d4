import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { createTurns } from '../../../../portlayer/api/turns.js';

describe('turns', () => {
  it('begin at once where few come, and in order a few in each turn of the event loop where many do', async () => {
    const turn = createTurns();
    const begun: number[] = [];
    for (let i = 0; i < 10; i++) void turn().then(() => begun.push(i));
    await Promise.resolve().then(() => {});
    expect(begun).to.deep.equal([0, 1, 2, 3]);
    while (begun.length < 10) {
      const before = begun.length;
      await nextTurn();
      expect(begun.length - before).to.be.within(0, 4);
    }
    expect(begun).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await turn();
  });
});
