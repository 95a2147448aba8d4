import { expect } from 'chai';
import { createOperationLocks } from '../../../../portlayer/lifecycle/operation-lock.js';

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

describe('the operation lock', () => {
  it('runs operations on one object one after another, in the order they came', async () => {
    const locks = createOperationLocks();
    const order: string[] = [];
    const work = (name: string, ms: number) =>
      locks.run('a', name, async () => {
        order.push(`${name} begins`);
        await pause(ms);
        order.push(`${name} ends`);
      });
    await Promise.all([work('one', 5), work('two', 1), work('three', 1)]);
    expect(order).to.deep.equal([
      'one begins',
      'one ends',
      'two begins',
      'two ends',
      'three begins',
      'three ends',
    ]);
  });

  it('lets operations on different objects run at once', async () => {
    const locks = createOperationLocks();
    let together = 0;
    let most = 0;
    const work = (key: string) =>
      locks.run(key, 'x', async () => {
        most = Math.max(most, ++together);
        await pause(5);
        together -= 1;
      });
    await Promise.all(['a', 'b', 'c'].map(work));
    expect(most).to.equal(3);
  });

  it('gives up after its patience with OPERATION_PENDING, and those behind it still wait for the first', async () => {
    const locks = createOperationLocks();
    let ended = false;
    const first = locks.run('a', 'checkpoint', async () => {
      await pause(40);
      ended = true;
    });
    const error = await locks.run('a', 'stop', async () => {}, 5).catch(caught => caught);
    expect(error).to.include({ code: 'OPERATION_PENDING', found: 'checkpoint' });
    await locks.run('a', 'start', async () => expect(ended).to.equal(true));
    await first;
  });

  it('goes on after an operation failed', async () => {
    const locks = createOperationLocks();
    await locks.run('a', 'x', async () => Promise.reject(new Error('no'))).catch(() => {});
    expect(await locks.run('a', 'y', async () => 7)).to.equal(7);
  });
});
