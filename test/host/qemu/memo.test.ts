import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

/** A service that is slow to start: it counts, asks for a checkpoint when it is ready, and says how it was answered. */
const SERVICE =
  'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo filled $i; answer=$(checkpoint --mechanism vmfork); echo "ready code=$? $answer $i"; while :; do sleep 1; done';

describe('a memoized machine', function () {
  this.timeout(300_000);
  let world: World;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
  });
  after(async () => world?.close());

  it('is captured when it says it is ready, and copied instead of being booted again', async () => {
    const cold = await world.run('cold', SERVICE, { memo: {} });
    expect(cold.memo).to.include({ hit: false });
    await world.said('cold', /^ready code=0 \w{26} 100000$/);
    const entry = await published();
    expect(entry).to.include({ published: `memo:${cold.memo?.key}`, mechanism: 'vmfork', source: 'guest' });

    const warm = await world.run('warm', SERVICE, { memo: {} });
    expect(warm.memo).to.include({ hit: true, checkpoint: entry.crid });
    await world.said('warm', /^ready code=10 restored 100000$/);
    // It never counted: the copy's own log begins with the answer.
    expect((await world.output('warm')).some(line => line.startsWith('filled'))).to.equal(false);
  });

  async function published() {
    for (const until = Date.now() + 60_000; Date.now() < until; await sleep(50)) {
      const { items } = await world.dispatch.listCheckpoints({ published: true }, { size: 10 });
      if (items[0]) return items[0];
    }
    throw new Error(`nothing was published:\n${world.log.join('\n')}`);
  }
});
