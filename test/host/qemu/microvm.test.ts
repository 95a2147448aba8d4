import assert from 'node:assert/strict';
import { bootParent, counted, PARENT, type Parent } from './parent.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

describe('machines of the kind microvm', function () {
  this.timeout(300_000);
  let world: World;
  before(async function () {
    this.timeout(0); // What it waits for has limits of its own; a hook has no second try.
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    // Without a second clock a boot may hang on a busy host: it is not waited for long, and tried again.
    world = await openWorld({ bootMs: 30_000, bootTries: 6 });
  });
  after(async () => world?.close());

  it('boot, ask to be forked, and run on as copies of themselves', async () => {
    const parent: Parent = await bootParent(world, { executorOptions: { machine: 'microvm' } });
    assert.match(parent.words, new RegExp(`^fork code=0 answer=${parent.crid} host=${PARENT} `));
    const { items } = await world.dispatch.listCheckpoints({ container: PARENT }, { size: 1 });
    const machines = items[0]?.constraints.find(({ key }) => key === 'machines');
    assert.match(machines?.required ?? '', /microvm@/);

    const names = await world.fork({ checkpoint: parent.crid }, 2, 'micro');
    const said = [parent.words, ...(await Promise.all(names.map(name => world.said(name, /^fork /))))];
    for (const [i, name] of names.entries()) {
      assert.match(said[i + 1] ?? '', new RegExp(`^fork code=10 answer=restored host=${name} `));
      assert.match(said[i + 1] ?? '', / disk=of-the-parent$/);
      assert.equal(await world.said(name, /^disk=/), `disk=${name}`);
    }
    const of = (key: string) => said.map(line => new RegExp(` ${key}=(\\S+)`).exec(line)?.[1] ?? '');
    for (const key of ['id', 'mac', 'random']) assert.equal(new Set(of(key)).size, 3, `${key}: ${of(key)}`);
    assert.equal(new Set(of('sum')).size, 1, 'the memory is the same');
    await world.said(PARENT, new RegExp(`^${(await counted(world, PARENT)) + 3}$`));
  });
});
