import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ContainerRecord } from '../../../../portlayer/model/container-record.js';
import { createRig, fakeSpec, type Rig } from './rig.js';

const incarnation = '00112233aabbccdd';

describe('a memoized start', () => {
  let rig: Rig;
  const begun: string[] = [];

  beforeEach(async () => {
    rig = await createRig();
    begun.length = 0;
    // Starts, asks for a checkpoint when it is ready, and serves for ever; a copy begins from its files.
    rig.task('serve', async ({ say, hear, files, request }) => {
      begun.push(files.get('ready') === undefined ? 'cold' : 'warm');
      if (request.env.PORTLAYER_RESTORED_FROM === undefined) {
        files.set('ready', 'yes');
        say(`TRIGGER v=1 inc=${incarnation} seq=1 mech=any timeout-ms=0 from=tool`);
        await hear();
      }
      return new Promise(() => {});
    });
  });
  afterEach(() => rig.close());

  const run = async (name: string, more: Record<string, unknown> = {}): Promise<ContainerRecord> => {
    const { env, ...rest } = more as { env?: Record<string, string> };
    const spec = { ...fakeSpec(name, 'serve'), memo: {}, ...rest };
    await rig.dispatch.createContainer('', { ...spec, task: { argv: ['serve'], env: env ?? {} } });
    return rig.dispatch.startContainer('', name);
  };
  const entries = async () =>
    (await rig.dispatch.listCheckpoints({ published: true }, { size: 10 })).items.map(
      each => each.published!,
    );
  const captured = async (count: number) => {
    const until = Date.now() + 30_000;
    while ((await entries()).length < count && Date.now() < until) await sleep(10);
    expect(await entries()).to.have.length(count);
  };

  it('misses first, is captured by its own trigger, and hits from then on', async () => {
    const first = await run('one');
    expect(first.memo).to.include({ hit: false, reason: 'no entry yet' });
    await captured(1);
    expect((await entries())[0]).to.equal(`memo:${first.memo!.key}`);
    const second = await run('two');
    expect(second.memo).to.include({ hit: true, key: first.memo!.key });
    expect(second).to.include({ state: 'running', restoredFrom: second.memo!.checkpoint });
    expect(begun).to.deep.equal(['cold', 'warm']);
    await rig.restart();
    expect((await run('three')).memo).to.include({ hit: true });
  });

  it('misses where a part has changed, and says which; what does not count does not', async () => {
    await run('one', { env: { PORT: '1', MODE: 'a' } });
    await captured(1);
    expect((await run('two', { env: { PORT: '1', MODE: 'b' } })).memo).to.include({
      reason: 'changed: env MODE',
    });
    await captured(2);
    const memo = { ignoreEnv: ['PORT'] };
    expect((await run('three', { env: { PORT: '1', MODE: 'c' }, memo })).memo?.hit).to.equal(false);
    await captured(3);
    const hit = await run('four', { env: { PORT: '2', MODE: 'c' }, memo });
    expect(hit.memo?.hit).to.equal(true);
    // What its memory holds is what its record says.
    expect(hit.spec.task.env).to.deep.equal({ PORT: '1', MODE: 'c' });
  });

  it('is off where it is not asked for, or was turned off before the trigger', async () => {
    await run('plain', { memo: { enabled: false } });
    expect((await rig.dispatch.getContainer('plain')).memo).to.equal(undefined);
    expect(await entries()).to.deep.equal([]);
  });

  it('expires by its policy, and an entry that has is removed', async () => {
    await run('one', { memo: { ttlMs: 1 } });
    await captured(1);
    const [old] = (await rig.dispatch.listCheckpoints({ published: true }, { size: 1 })).items;
    await sleep(5);
    expect((await run('two', { memo: { ttlMs: 1 } })).memo?.reason).to.match(/^expired: taken \d+ ms ago/);
    expect(await rig.dispatch.getCheckpoint(old!.crid).catch(caught => caught.code)).to.equal('NOT_FOUND');
  });

  it('starts from the beginning where the entry cannot be restored, and says why', async () => {
    await run('one');
    await captured(1);
    rig.world.before = operation => {
      if (operation === 'restore') throw new Error('the image is broken');
    };
    const second = await run('two');
    expect(second).to.include({ state: 'running' });
    expect(second.memo).to.include({ hit: false });
    expect(second.memo?.reason).to.contain('the image is broken');
    expect(second).to.not.have.property('restoredFrom');
  });
});
