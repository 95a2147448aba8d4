import { expect } from 'chai';
import { createEngine, type Engine, PRIORITY } from '../../../../../portlayer/store/engine/engine.js';

describe('work of the image store in the background', function () {
  this.timeout(30_000);
  let engine: Engine;
  before(async () => {
    engine = createEngine();
    await work('both workers', PRIORITY.commit, 'are there now');
  });
  after(() => engine[Symbol.asyncDispose]());

  const done: string[] = [];
  const work = async (...names: (string | number)[]): Promise<void> => {
    const priority = Number(names.find(name => typeof name === 'number'));
    const asked = names.filter(name => typeof name === 'string');
    await Promise.all(
      asked.map(async name => {
        await engine.ask('join', ['01', [], [], []] as never, { priority });
        done.push(name);
      }),
    );
  };

  it('lets those pass that somebody waits for, and goes on when the way is free', async () => {
    done.length = 0;
    const wayIsFree = engine.giveWay();
    const behind = work('check', PRIORITY.background);
    await work('restore', PRIORITY.restore);
    await work('small commit', PRIORITY.commit);
    wayIsFree();
    wayIsFree(); // Once for each who asked.
    await behind;
    expect(done).to.deep.equal(['restore', 'small commit', 'check']);
  });

  it('comes to its end also where the way is never free', async () => {
    done.length = 0;
    const wayIsFree = engine.giveWay();
    await work('a', PRIORITY.background, 'b', 'c');
    wayIsFree();
    expect(done.sort()).to.deep.equal(['a', 'b', 'c']);
  });
});
