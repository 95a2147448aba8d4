import { expect } from 'chai';
import { whyNoVCenter } from '../../vcenter/test-vcenter.js';
import { openWorld, type World } from './world.js';

/** A task that asks to be checkpointed, says what it was answered, and who it is, and goes on. */
const asking =
  'echo up; answer=$(checkpoint --mechanism vmfork 2>&1); echo "code $? $answer on $(hostname) as $(cat /etc/machine-id)"; while :; do sleep 0.1; done';

for (const source of ['running', 'frozen'] as const) {
  describe(`vmfork on vSphere, of a ${source} source`, function () {
    this.timeout(90_000);
    let world: World;
    before(async function () {
      const reason = whyNoVCenter(true);
      if (reason !== undefined) {
        console.log(`      skipped: ${reason}`);
        return this.skip();
      }
      world = await openWorld({ source }, { spares: 4 });
    });
    afterEach(async () => world?.clear());
    after(async () => world?.close());

    it('answers the asker with the id, and three children, each with its identity, with restored', async () => {
      await world.run('parent', asking);
      const answered = await world.said('parent', /^code /);
      expect(answered).to.match(/^code 0 [0-9A-Z]{26} on parent /);
      const crid = answered.split(' ')[2] ?? '';
      const taken = await world.dispatch.getCheckpoint(crid);
      expect([taken.state, taken.mechanism, taken.source]).to.deep.equal(['captured', 'vmfork', 'guest']);

      await world.dispatch.publishCheckpoint('', crid, 'work:warm', false);
      const names = await world.fork({ checkpoint: 'work:warm' }, 3, 'child');
      expect(names).to.deep.equal(['child-1', 'child-2', 'child-3']);
      const said = await Promise.all(names.map(name => world.said(name, /^code /)));
      for (const [i, line] of said.entries())
        expect(line).to.match(new RegExp(`^code 10 restored on ${names[i]} `));
      const ids = [answered, ...said].map(line => line.split(' ').at(-1));
      expect(new Set(ids).size, ids.join(' ')).to.equal(4);

      const { items } = await world.dispatch.listCheckpoints({}, { size: 10 });
      expect(items.map(one => one.published)).to.deep.equal(['work:warm']);
      for (const name of ['parent', ...names]) expect(await world.state(name), name).to.equal('running');
      const children = await world.dispatch.getContainer('child-1');
      expect(children.restoredFrom).to.equal(crid);
    });

    it('leaves no machine behind when everything is removed', async () => {
      await world.run('parent', asking);
      const crid = (await world.said('parent', /^code 0 /)).split(' ')[2] ?? '';
      await world.fork({ checkpoint: crid }, 2, 'child');
      await world.clear();
      expect((await world.machines()).map(one => one.name)).to.deep.equal([]);
    });

    it('takes the container, its copy and its image up again after a restart of the service', async () => {
      await world.run('parent', asking);
      const crid = (await world.said('parent', /^code 0 /)).split(' ')[2] ?? '';
      await world.fork({ checkpoint: crid }, 1, 'before');
      await world.restart();
      expect([await world.state('parent'), await world.state('before-1')]).to.deep.equal([
        'running',
        'running',
      ]);
      await world.fork({ checkpoint: crid }, 1, 'after');
      expect(await world.said('after-1', /^code /)).to.match(/^code 10 restored on after-1 /);
      await world.dispatch.stopContainer('', 'parent', 5_000);
      expect(await world.state('parent')).to.equal('exited');
    });

    it('says that such a checkpoint cannot be made durable, and keeps it', async () => {
      await world.run('parent', asking);
      const crid = (await world.said('parent', /^code 0 /)).split(' ')[2] ?? '';
      const refused = await world.dispatch.commitCheckpoint('', crid).catch((caught: unknown) => caught);
      expect(refused).to.have.property('code', 'CAPABILITY_MISSING');
      expect((await world.dispatch.getCheckpoint(crid)).state).to.equal('captured');
    });
  });
}
