import { expect } from 'chai';
import type { CheckpointRequest } from '../../../../portlayer/dispatch/dispatch.js';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;
const failing = (work: Promise<unknown>): Promise<PortLayerError> =>
  work.then(
    () => expect.fail('it should have been refused'),
    caught => caught as PortLayerError,
  );

describe('what a checkpoint is asked to be able to do', () => {
  let rig: Rig;
  const take = (more: Partial<CheckpointRequest> = {}): Promise<CheckpointRecord> =>
    rig.dispatch.createCheckpoint(
      '',
      { container: 'a', labels: {}, durability: 'committed', stopAfter: false, ...more },
      () => {},
      never,
    );
  const planned = async (need = {}) =>
    (await rig.dispatch.planCheckpoint('a', undefined, need)).map(v => [v.mechanism, v.chosen]);

  beforeEach(async () => {
    rig = await createRig();
    // Exits to checkpoint when it is asked by signal, and runs on.
    rig.task('both', async ({ signalled }) => {
      await signalled();
      return 85;
    });
    await rig.dispatch.createContainer('', fakeSpec('a', 'both', { exitCode: { checkpoint: 85 } }));
    await rig.dispatch.startContainer('', 'a');
  });
  afterEach(async () => {
    await rig.close();
  });

  it('decides the mechanism, the least constrained one by default', async () => {
    expect(await planned()).to.deep.equal([
      ['exit-code', true],
      ['fake', false],
    ]);
    expect(await planned({ keep: 'process' })).to.deep.equal([
      ['exit-code', false],
      ['fake', true],
    ]);
    expect((await take({ need: { keep: 'process' } })).mechanism).to.equal('fake');
    expect((await take()).mechanism).to.equal('exit-code');
  });

  it('is shown where nothing meets it, and refused when it is asked for, with nothing begun', async () => {
    expect(await planned({ keep: 'machine' })).to.deep.equal([
      ['exit-code', false],
      ['fake', false],
    ]);
    const error = await failing(take({ need: { keep: 'machine' } }));
    expect(error.code).to.equal('CAPABILITY_MISSING');
    expect(error.found).to.contain('it keeps disk, and machine was asked for');
    expect((await failing(take({ mechanism: 'exit-code', need: { keep: 'process' } }))).code).to.equal(
      'INVALID_SPEC',
    );
    expect((await failing(take({ need: { restore: 'elsewhere', durability: 'captured' } }))).code).to.equal(
      'INVALID_SPEC',
    );
    const all = await rig.dispatch.listCheckpoints(
      { states: ['requested', 'failed', 'committed'] },
      { size: 10 },
    );
    expect(all.items).to.have.length(0);
  });

  it('costs what checkpoints of this container have cost, or of others of its kind', async () => {
    const [, fake] = await rig.dispatch.planCheckpoint('a', undefined, {});
    expect(fake?.estimate).to.equal(undefined);
    for (let i = 0; i < 3; i++) await take({ mechanism: 'fake' });
    const [, learnt] = await rig.dispatch.planCheckpoint('a', undefined, {});
    expect(learnt?.estimate).to.include({ from: 'container' });
    expect(learnt?.estimate?.bytes.samples).to.equal(3);
    await rig.dispatch.createContainer('', fakeSpec('b', 'both'));
    const [, other] = await rig.dispatch.planCheckpoint('b', undefined, {});
    expect(other?.estimate).to.include({ from: 'host' });
  });

  it('falls to the next mechanism where that is allowed, and the labels say what was not kept', async () => {
    rig.world.before = operation => {
      if (operation === 'dump') throw Object.assign(new Error('cannot'), { name: 'AbortError' });
    };
    // A cancelled dump is no reason to try another.
    expect((await failing(take({ mechanism: 'fake', need: { fallback: true } }))).code).to.equal('CANCELED');
    rig.world.before = operation => {
      if (operation === 'dump') throw new PortLayerError('WRONG_STATE', 'an open socket');
    };
    expect((await failing(take({ need: { keep: 'process' } }))).code).to.equal('WRONG_STATE');
    const fallen = await take({ labels: { mine: '1' }, need: { keep: 'process', fallback: true } });
    expect(fallen.mechanism).to.equal('exit-code');
    expect(fallen.labels).to.deep.equal({
      mine: '1',
      'portlayer/fell-from': 'fake: WRONG_STATE',
      'portlayer/not-kept': 'memory,processes',
    });
    const events = [];
    for await (const event of rig.dispatch.events(1, false, never)) events.push(event);
    const fell = events.find(event => event.type === 'fell-back');
    expect(fell?.facts).to.include({ from: 'fake', to: 'exit-code', code: 'WRONG_STATE' });
  });

  it('gives a dump up that holds the task still for longer than was asked; it runs on', async () => {
    let release = () => {};
    rig.world.before = operation =>
      operation === 'dump'
        ? new Promise<void>((_, reject) => {
            release = () => reject(new Error('the dump was ended'));
          })
        : undefined;
    const failure = failing(take({ need: { keep: 'process', maxPauseMs: 20 } }));
    // The fake mechanism does not look at its signal: the test ends the dump once the limit has passed.
    const timer = setInterval(() => release(), 200);
    const error = await failure;
    clearInterval(timer);
    expect(error.code).to.equal('QUIESCE_TIMEOUT');
    expect(error.facts).to.include({ phase: 'dumping' });
    expect((await rig.dispatch.getContainer('a')).state).to.equal('running');
  });

  it('is undone where the service ends between the plan and the act, and can be asked for again', async () => {
    let planned = (): void => {};
    const acting = new Promise<void>(resolve => {
      planned = resolve;
    });
    rig.world.before = operation => {
      if (operation !== 'quiesce') return;
      planned();
      return new Promise(() => {});
    };
    take({ need: { keep: 'process' } }).catch(() => {});
    await acting;
    await rig.restart();
    rig.world.before = () => {};

    const { items } = await rig.dispatch.listCheckpoints(
      { states: ['requested', 'dumping', 'failed'] },
      { size: 10 },
    );
    expect(items.map(({ state, mechanism, failure }) => [state, mechanism, failure?.code])).to.deep.equal([
      ['failed', 'fake', 'CANCELED'],
    ]);
    expect((await rig.dispatch.getContainer('a')).state).to.equal('running');
    expect((await take({ need: { keep: 'process' } })).state).to.equal('committed');
  });
});
