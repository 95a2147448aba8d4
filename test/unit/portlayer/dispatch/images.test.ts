import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { counter, createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;

describe('images of a loop’s checkpoints', function () {
  this.timeout(60_000);
  let rig: Rig | undefined;
  afterEach(() => rig?.close());

  /** Runs a counting loop to its end; its checkpoints, oldest first, all committed. */
  async function loop(goal: number, policy: unknown = {}): Promise<readonly CheckpointRecord[]> {
    // Layers are packed where the environment is a host.
    rig = await createRig(policy, true);
    rig.task('count', counter(goal));
    await rig.dispatch.createContainer('', fakeSpec('job', 'count', { exitCode: {} }));
    await rig.dispatch.startContainer('', 'job');
    await rig.dispatch.waitContainer('job', never);
    const { items } = await rig.dispatch.listCheckpoints({ container: 'job' }, { size: 1000 });
    for (const { crid } of items) await rig.dispatch.commitCheckpoint('', crid).catch(() => {});
    return (await rig.dispatch.listCheckpoints({ container: 'job' }, { size: 1000 })).items.toReversed();
  }

  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      caught => PortLayerError.from(caught).code,
    );

  function damage({ crid }: CheckpointRecord): void {
    const path = join(rig!.directory, 'checkpoints', crid, 'data-1');
    const bytes = readFileSync(path);
    bytes[100]! ^= 1;
    writeFileSync(path, bytes);
  }

  it('hold its layers: these may be removed, and a restore brings them back', async () => {
    const checkpoints = await loop(4);
    const { dispatch, world } = rig!;
    await dispatch.removeContainer('', 'job', true);
    const kinds = new Set<string>();
    for await (const { kind } of dispatch.collectGarbage(false, true)) kinds.add(kind);
    expect([...kinds]).to.include('layer');
    expect([...world.layers.keys()]).to.deep.equal([]);
    rig!.task('count', ({ files, print }) => {
      print(`found ${files.get('count')}`);
      return 0;
    });
    const request = { checkpoint: checkpoints[1]!.crid, name: 'back', inPlace: false, labels: {} };
    await dispatch.restoreCheckpoint('', request, never);
    await dispatch.waitContainer('back', never);
    expect([...world.layers.keys()]).to.include(checkpoints[1]!.crid);
  });

  it('that are damaged are quarantined, and a name then stands for the newest good ancestor', async () => {
    const checkpoints = await loop(4);
    const { dispatch } = rig!;
    const [good, bad] = [checkpoints[1]!, checkpoints[2]!];
    await dispatch.publishCheckpoint('', bad.crid, 'job:best', false);
    await dispatch.removeContainer('', 'job', true);
    damage(bad);
    const verdicts = [];
    for await (const verdict of dispatch.verifyCheckpoints(bad.crid, undefined, never))
      verdicts.push(verdict);
    expect(verdicts[0]?.error?.code).to.equal('CHECKPOINT_CORRUPT');
    expect((await dispatch.getCheckpoint(bad.crid)).quarantined?.code).to.equal('CHECKPOINT_CORRUPT');
    const request = { inPlace: false, labels: {} };
    expect(
      await codeOf(dispatch.restoreCheckpoint('', { ...request, checkpoint: bad.crid }, never)),
    ).to.equal('CHECKPOINT_CORRUPT');
    let damaged = '';
    const fellBack = (crid: string): void => {
      damaged = crid;
    };
    const back = await dispatch.restoreCheckpoint(
      '',
      { ...request, checkpoint: 'job:best', fellBack },
      never,
    );
    expect([back.restoredFrom, damaged]).to.deep.equal([good.crid, bad.crid]);
  });

  it('go when there are more than are to be kept, but for the newest, pinned and published ones', async () => {
    const checkpoints = await loop(8, { retention: { count: 3 } });
    const { dispatch } = rig!;
    for (let tries = 0; tries < 300; tries++) {
      if ((await dispatch.listCheckpoints({ container: 'job' }, { size: 100 })).items.length <= 3) break;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    const { items } = await dispatch.listCheckpoints({ container: 'job' }, { size: 100 });
    expect(items).to.have.length(3);
    expect(items[0]?.crid).to.equal(checkpoints.at(-1)?.crid);
    for await (const { error } of dispatch.verifyCheckpoints(undefined, undefined, never))
      expect(error).to.equal(undefined);
  });

  it('are refused beyond the quota, and nothing is removed for a new one', async () => {
    const checkpoints = await loop(5, { quota: { containerCount: 2 } });
    expect(checkpoints).to.have.length(2);
    const failed = await rig!.dispatch.listCheckpoints({ states: ['failed'] }, { size: 10 });
    expect(failed.items[0]?.failure?.code).to.equal('QUOTA_EXCEEDED');
  });

  it('are removed with force only where they are pinned', async () => {
    const [first] = await loop(3);
    const { dispatch } = rig!;
    await dispatch.pinCheckpoint('', first!.crid, true);
    expect(await codeOf(dispatch.removeCheckpoint('', first!.crid, false))).to.equal('WRONG_STATE');
    await dispatch.pinCheckpoint('', first!.crid, false);
    await dispatch.removeCheckpoint('', first!.crid, false);
  });
});
