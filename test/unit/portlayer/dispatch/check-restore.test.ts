import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ConstraintVerdict } from '../../../../portlayer/model/constraint.js';
import { counter, createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;

describe('a checkpoint held against where it could be restored', () => {
  let rig: Rig;
  let volume: string;
  let crid: string;

  beforeEach(async () => {
    rig = await createRig();
    rig.task('forever', () => new Promise(() => {}));
    volume = join(rig.directory, 'volume');
    await mkdir(volume);
    await writeFile(join(volume, 'a'), 'a');
    await rig.dispatch.createContainer(
      '',
      fakeSpec('a', 'forever', { volumes: [{ source: volume, target: '/data' }] }),
    );
    await rig.dispatch.startContainer('', 'a');
    const request = { container: 'a', labels: {}, durability: 'committed', stopAfter: false } as const;
    crid = (await rig.dispatch.createCheckpoint('', request, () => {}, never)).crid;
  });
  afterEach(() => rig.close());

  const restore = (more = {}) =>
    rig.dispatch.restoreCheckpoint('', { checkpoint: crid, inPlace: false, labels: {}, ...more }, never);
  const containers = async () => (await rig.dispatch.listContainers({}, { size: 10 })).items.length;

  it('says of each constraint what is required and found, and starts nothing', async () => {
    const report = await rig.dispatch.checkRestore(crid, undefined);
    expect(report).to.deep.include({ environment: 'local', fits: true, changes: [] });
    expect(report.verdicts.map(v => `${v.level} ${v.key}`)).to.include.members([
      'environment layers',
      'executor name',
      'executor capabilities',
      'loader name',
    ]);
    expect(await containers()).to.equal(1);
  });

  it('asks for what a volume needs only of a place that has files', async () => {
    // The rig's environment is no Linux host: its executor alone knows what a path is there.
    const report = await rig.dispatch.checkRestore(crid, undefined);
    expect(report.verdicts.some(v => v.key.startsWith('path:'))).to.equal(false);
  });

  it('refuses an environment that there is not, and lists every one that there is', async () => {
    const error = await rig.dispatch.checkRestore(crid, 'nowhere').catch(caught => caught);
    expect(error).to.include({ code: 'INVALID_SPEC', found: 'nowhere' });
    const targets = await rig.dispatch.listTargets(crid);
    expect(targets.map(target => [target.environment, target.fits])).to.deep.equal([['local', true]]);
  });

  it('is enforced by default, told with warn, and not looked at with ignore', async () => {
    const record = await rig.dispatch.getCheckpoint(crid);
    const stricter = {
      ...record,
      constraints: [
        ...record.constraints,
        { level: 'executor', key: 'disk', relation: 'equal', required: 'stone' } as const,
      ],
    };
    rig.rewrite(stricter);
    const error = await restore().catch(caught => caught);
    expect(error).to.include({
      code: 'CONSTRAINT_UNMET',
      required: 'executor disk equal stone',
      found: 'memory',
    });
    expect(error.remedy).to.contain('from memory to stone');
    expect(await containers()).to.equal(1);
    const told: ConstraintVerdict[] = [];
    const container = await restore({
      constraints: 'warn',
      unmet: (v: ConstraintVerdict[]) => told.push(...v),
    });
    expect(container.state).to.equal('running');
    expect(told.map(v => v.key)).to.deep.equal(['disk']);
    const events = [];
    for await (const event of rig.dispatch.events(1, false, never)) events.push(event.type);
    expect(events).to.include('constraints-unmet');
    const quiet: ConstraintVerdict[] = [];
    await restore({ constraints: 'ignore', unmet: (v: ConstraintVerdict[]) => quiet.push(...v) });
    expect(quiet).to.deep.equal([]);
  });
});

describe('an exit-code checkpoint', () => {
  it('fits where it was taken, and is restored there', async () => {
    const rig = await createRig();
    try {
      rig.task('counts', counter(2));
      await rig.dispatch.createContainer('', fakeSpec('a', 'counts', { exitCode: { checkpoint: 85 } }));
      await rig.dispatch.startContainer('', 'a');
      await rig.dispatch.waitContainer('a', never);
      const [taken] = (await rig.dispatch.listCheckpoints({}, { size: 1 })).items;
      const report = await rig.dispatch.checkRestore(taken!.crid, undefined);
      expect(report.verdicts.filter(v => !v.met)).to.deep.equal([]);
      const request = { checkpoint: taken!.crid, inPlace: false, labels: {} };
      const copy = await rig.dispatch.restoreCheckpoint('', request, never);
      expect((await rig.dispatch.waitContainer(copy.spec.name, never)).code).to.equal(0);
    } finally {
      await rig.close();
    }
  });
});
