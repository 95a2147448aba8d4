import { expect } from 'chai';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { whyNoVCenter } from '../../vcenter/test-vcenter.js';
import { openWorld, type World } from './world.js';

const asking =
  'answer=$(checkpoint --mechanism vmfork 2>&1); echo "code $? $answer"; while :; do sleep 0.1; done';
/** What pyvmomi 6.7.1's ServerObjects.py lists for InstantClone_Task. */
const DECLARED = [
  ['TaskInProgress', 'OPERATION_PENDING'],
  ['InvalidState', 'WRONG_STATE'],
  ['InvalidDatastore', 'INVALID_SPEC'],
  ['InsufficientResourcesFault', 'EXECUTOR_UNAVAILABLE'],
  ['DisallowedMigrationDeviceAttached', 'CONSTRAINT_UNMET'],
  ['FileFault', 'EXECUTOR_UNAVAILABLE'],
  ['NoDiskSpace', 'STORE_FULL'],
] as const;

describe('faults of vSphere', function () {
  this.timeout(90_000);
  let world: World;
  const stray: unknown[] = [];
  const note = (reason: unknown) => void stray.push(reason);
  before(async function () {
    const reason = whyNoVCenter(true);
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
    world = await openWorld({ restoreMs: 10_000 }, { spares: 8 });
  });
  afterEach(async () => {
    await world?.vcenter.clearPlan();
    await world?.clear();
  });
  after(async () => {
    await world?.close();
    process.off('uncaughtException', note);
    process.off('unhandledRejection', note);
    expect(stray, 'uncaught exceptions and unhandled rejections').to.deep.equal([]);
    expect(process.env.NODE_TLS_REJECT_UNAUTHORIZED).to.equal(undefined);
  });
  const image = async () => {
    await world.run('parent', asking);
    return (await world.said('parent', /^code 0 /)).split(' ')[2] ?? '';
  };
  const refused = async (work: Promise<unknown>): Promise<PortLayerError> => {
    const caught = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(caught).to.be.instanceOf(PortLayerError);
    return caught as PortLayerError;
  };
  const ours = async () =>
    (await world.machines()).map(one => one.name).filter(name => !name.includes('image'));

  it('tells every fault that InstantClone_Task declares by its name, and leaves no machine', async () => {
    const crid = await image();
    for (const [fault, code] of DECLARED) {
      await world.vcenter.plan({ method: 'InstantClone_Task', at: 'task', fault });
      const error = await refused(world.restore(crid, `no-${fault}`));
      expect([error.code, error.facts.fault], fault).to.deep.equal([code, fault]);
    }
    expect((await ours()).length, 'the parent alone').to.equal(1);
  });

  it('makes no second clone after an answer that was lost, or a fault after the fact', async () => {
    const crid = await image();
    await world.vcenter.plan({ method: 'InstantClone_Task', at: 'drop', fault: 'lost' });
    const before = (await world.vcenter.calls()).InstantClone_Task ?? 0;
    await world.restore(crid, 'once').catch(() => {});
    expect((await world.vcenter.calls()).InstantClone_Task).to.equal(before + 1);
    expect((await ours()).length).to.be.at.most(2);
  });

  it('refuses an image whose machine was powered off behind its back', async () => {
    const crid = await image();
    const machine = (await world.machines()).find(one => one.name.includes('image'));
    await world.vcenter.guest(machine?.id ?? '', 'off');
    expect((await refused(world.restore(crid, 'never'))).code).to.equal('CHECKPOINT_CORRUPT');
  });

  it('goes on over an expired session and a vCenter that was restarted', async () => {
    await world.run('stays', 'echo up; trap "exit 7" TERM; while :; do sleep 0.1; done');
    await world.said('stays', /^up$/);
    await world.vcenter.expire();
    await world.vcenter.restart(500);
    await world.dispatch.stopContainer('', 'stays', 20_000);
    expect((await world.dispatch.getContainer('stays')).exit).to.include({ code: 7 });
  });

  it('tells a container whose machine lost its power as lost', async () => {
    await world.run('dark', 'echo up; while :; do sleep 0.1; done');
    await world.said('dark', /^up$/);
    const [machine] = (await world.machines()).filter(one => one.power === 'poweredOn');
    await world.vcenter.guest(machine?.id ?? '', 'off');
    const exit = await world.dispatch.waitContainer('dark', AbortSignal.timeout(30_000));
    expect([exit.code, exit.reason]).to.deep.equal([137, 'lost']);
  });
});
