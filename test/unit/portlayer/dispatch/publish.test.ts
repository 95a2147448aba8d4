import { expect } from 'chai';
import type { PublishOptions } from '../../../../portlayer/dispatch/dispatch.js';
import type { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;
const failing = (work: Promise<unknown>): Promise<PortLayerError> =>
  work.then(
    () => expect.fail('it should have been refused'),
    caught => caught as PortLayerError,
  );

describe('publishing', () => {
  let rig: Rig;
  let one: string;
  let two: string;
  const publish = (
    crid: string,
    reference: string,
    { move = false, ...more }: Partial<PublishOptions> = {},
  ) => rig.dispatch.publishCheckpoint('', crid, reference, move, more);

  beforeEach(async () => {
    rig = await createRig();
    rig.task('forever', () => new Promise(() => {}));
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    const request = { container: 'a', labels: {}, durability: 'committed', stopAfter: false } as const;
    one = (await rig.dispatch.createCheckpoint('', request, () => {}, never)).crid;
    two = (await rig.dispatch.createCheckpoint('', request, () => {}, never)).crid;
  });
  afterEach(() => rig.close());

  it('adds labels, lists what is published, and is found again by its name after a restart', async () => {
    await publish(one, 'app:warm', { labels: { release: '7' } });
    const listed = await rig.dispatch.listCheckpoints(
      { published: true, labels: { release: '7' } },
      { size: 10 },
    );
    expect(listed.items.map(each => each.published)).to.deep.equal(['app:warm']);
    await rig.restart();
    expect(await rig.dispatch.getCheckpoint('app:warm')).to.deep.include({ crid: one });
  });

  it('keeps an immutable name where it is, but for force', async () => {
    await publish(one, 'app:1', { immutable: true });
    expect((await publish(one, 'app:1', { immutable: true })).immutable).to.equal(true);
    for (const attempt of [
      () => publish(two, 'app:1', { move: true }),
      () => publish(one, ''),
      () => publish(one, 'app:2'),
      () => rig.dispatch.removeCheckpoint('', one, false),
    ])
      expect((await failing(attempt())).code).to.equal('WRONG_STATE');
    expect((await rig.dispatch.getCheckpoint('app:1')).crid).to.equal(one);
    const moved = await publish(two, 'app:1', { move: true, force: true });
    expect(moved).to.not.have.property('immutable');
    expect(await rig.dispatch.getCheckpoint(one)).to.not.have.any.keys('published', 'immutable');
  });

  for (const reference of [
    'App:1',
    'app',
    'app:',
    ':1',
    'a/b:1',
    'app:1:2',
    'app:é',
    'app: 1',
    '../x:1',
    'app:1\n',
  ]) {
    it(`refuses the name ${JSON.stringify(reference)}`, async () => {
      expect((await failing(publish(one, reference))).code).to.equal('INVALID_SPEC');
    });
  }
});
