import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../../../portlayer/model/container-spec.js';
import { newUlid } from '../../../../portlayer/model/ids.js';
import type { StoredFacts } from '../../../../portlayer/store/commit-image.js';
import { openImageStore } from '../../../../portlayer/store/image-store.js';
import { noise, sampleRecord, stageFiles } from '../store/stored.js';
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

  it('are verified by chance every so often: one that was damaged unseen is quarantined', async () => {
    const checkpoints = await loop(4, { verifyEveryMs: 20 });
    const { dispatch } = rig!;
    const bad = checkpoints[1]!;
    damage(bad);
    const all = async () => Promise.all(checkpoints.map(({ crid }) => dispatch.getCheckpoint(crid)));
    for (const deadline = Date.now() + 50_000; Date.now() < deadline; ) {
      const now = await all();
      if (now.every(({ verified, quarantined }) => verified || quarantined)) break;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    for (const { crid, verified, quarantined } of await all()) {
      // What needs the damaged data is damaged with it.
      if (crid === bad.crid) expect(quarantined?.code).to.equal('CHECKPOINT_CORRUPT');
      else expect(verified?.by ?? quarantined?.code).to.be.oneOf(['image', 'CHECKPOINT_CORRUPT']);
    }
    expect((await dispatch.getCheckpoint(checkpoints[0]!.crid)).verified?.by).to.equal('image');
    expect(rig!.log.join('\n')).to.contain(`checkpoint ${bad.crid} is damaged`);
  });

  it('are tried by starting a copy: what ends well is verified, what does not is quarantined', async () => {
    const [first, second] = await loop(3);
    const { dispatch } = rig!;
    const drill = async (crid: string): Promise<string> => {
      const codes = [];
      for await (const { error } of dispatch.verifyCheckpoints(crid, { forMs: 30_000, probe: [] }, never))
        codes.push(error?.code ?? 'whole');
      return codes.join();
    };
    expect(await drill(first!.crid)).to.equal('whole');
    expect((await dispatch.getCheckpoint(first!.crid)).verified?.by).to.equal('restore');
    rig!.task('count', () => 1);
    expect(await drill(second!.crid)).to.equal('CHECKPOINT_CORRUPT');
    const { quarantined, verified } = await dispatch.getCheckpoint(second!.crid);
    expect([quarantined?.code, verified]).to.deep.equal(['CHECKPOINT_CORRUPT', undefined]);
    const { items } = await dispatch.listContainers({}, { size: 10 });
    expect(items.map(({ spec }) => spec.name)).to.deep.equal(['job']);
  });

  it('have what they need of mostly dead removed data moved to them by a collection', async () => {
    rig = await createRig({}, true);
    const { dispatch, directory } = rig;
    const spec = compileContainerSpec(fakeSpec('job', 'count'));
    const store = await openImageStore(directory);
    const crids: string[] = [];
    const common = noise(100_000, 1);
    for (const ram of [
      Buffer.concat([common, noise(400_000, 2)]),
      Buffer.concat([common, noise(50_000, 3)]),
    ]) {
      const crid = newUlid();
      await stageFiles(store, crid, { ram });
      const record = (stored: StoredFacts) => ({ ...sampleRecord(crid, stored), spec });
      const committed = await store.commit({ crid, layers: [], record });
      committed.release();
      rig.rewrite(committed.record);
      crids.push(crid);
    }
    const [parent, child] = crids as [string, string];
    await store[Symbol.asyncDispose]();
    await dispatch.removeCheckpoint('', parent, false);
    const collected = async (dryRun: boolean): Promise<string[]> => {
      const found = [];
      for await (const { kind, id, bytes } of dispatch.collectGarbage(dryRun, false))
        if (bytes > 0) found.push(`${kind} ${id}`);
      return found;
    };
    expect(await collected(true)).to.deep.equal([`sparse-data ${parent}`]);
    expect(existsSync(join(directory, 'checkpoints', parent))).to.equal(true);
    expect(await collected(false)).to.deep.equal([`sparse-data ${parent}`]);
    expect(existsSync(join(directory, 'checkpoints', parent))).to.equal(false);
    expect((await dispatch.getCheckpoint(child)).image?.sources).to.deep.equal([]);
    for await (const { error } of dispatch.verifyCheckpoints(child, undefined, never))
      expect(error).to.equal(undefined);
    expect(await collected(false)).to.deep.equal([]);
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
