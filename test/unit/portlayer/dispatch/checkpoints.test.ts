import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ForkOutcome } from '../../../../portlayer/dispatch/dispatch.js';
import type { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;
const failing = (work: Promise<unknown>): Promise<PortLayerError> =>
  work.then(
    () => expect.fail('it should have been refused'),
    caught => caught as PortLayerError,
  );

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('checkpoints by a plugin’s mechanism', () => {
  let rig: Rig;
  const take = (container = 'a', more = {}): Promise<CheckpointRecord> =>
    rig.dispatch.createCheckpoint(
      '',
      { container, labels: {}, durability: 'committed', stopAfter: false, ...more },
      () => {},
      never,
    );

  beforeEach(async () => {
    rig = await createRig();
    rig.task('forever', ({ files }) => {
      files.set('started', String(Number(files.get('started') ?? '0') + 1));
      return new Promise(() => {});
    });
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
  });
  afterEach(async () => {
    await rig.close();
  });

  it('are refused for a container that does not run, and leave nothing', async () => {
    expect((await failing(take())).code).to.equal('WRONG_STATE');
    expect((await rig.dispatch.listCheckpoints({}, { size: 10 })).items).to.have.length(0);
  });

  it('are refused by a mechanism that no level has, naming each level', async () => {
    await rig.dispatch.startContainer('', 'a');
    const error = await failing(take('a', { mechanism: 'vmfork' }));
    expect(error.code).to.equal('CAPABILITY_MISSING');
    expect(error.found).to.contain('exit-code').and.to.contain('fake');
  });

  it('are committed, listed and whole on disk while the container runs on', async () => {
    await rig.dispatch.startContainer('', 'a');
    const checkpoint = await take();
    expect(checkpoint).to.include({
      state: 'committed',
      mechanism: 'fake',
      level: 'executor',
      source: 'api',
    });
    expect((await rig.dispatch.getContainer('a')).state).to.equal('running');
    expect(await readdir(join(rig.directory, 'checkpoints', checkpoint.crid))).to.include('manifest.json');
    expect(await readdir(join(rig.directory, 'writing'))).to.deep.equal([]);
  });

  it('that fail leave nothing listed, say in which phase, and the container runs on', async () => {
    await rig.dispatch.startContainer('', 'a');
    for (const operation of ['quiesce', 'dump', 'describe']) {
      rig.world.before = now => {
        if (now === operation) throw new Error(`fault in ${operation}`);
      };
      expect((await failing(take())).message).to.contain(`fault in ${operation}`);
      expect((await rig.dispatch.listCheckpoints({}, { size: 10 })).items).to.have.length(0);
      expect((await rig.dispatch.getContainer('a')).state).to.equal('running');
    }
    const failed = await rig.dispatch.listCheckpoints({ states: ['failed'] }, { size: 10 });
    expect(failed.items.map(c => c.failure?.phase).reverse()).to.deep.equal([
      'quiescing',
      'dumping',
      'dumping',
    ]);
    expect(await readdir(join(rig.directory, 'staging'))).to.deep.equal([]);
  });

  it('that cannot be committed stay captured, can be forked, and are committed when it works again', async () => {
    await rig.dispatch.startContainer('', 'a');
    rig.world.before = operation => {
      if (operation === 'sync') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    expect((await failing(take())).code).to.equal('STORE_FULL');
    const [captured] = (await rig.dispatch.listCheckpoints({}, { size: 10 })).items;
    expect(captured).to.include({ state: 'captured' });
    const [copy] = await all(
      rig.dispatch.fork('', { source: { checkpoint: captured!.crid }, count: 1, labels: {} }, never),
    );
    expect(copy?.container?.state).to.equal('running');
    rig.world.before = () => {};
    expect((await rig.dispatch.commitCheckpoint('', captured!.crid)).state).to.equal('committed');
  });

  it('end the container where that was asked', async () => {
    await rig.dispatch.startContainer('', 'a');
    await take('a', { stopAfter: true });
    expect((await rig.dispatch.waitContainer('a', never)).reason).to.equal('stopped');
  });

  it('are forked into as many copies as asked, each with a result of its own', async () => {
    await rig.dispatch.startContainer('', 'a');
    const { crid } = await take();
    rig.world.before = (operation, uid) => {
      const name = [...rig.world.containers.keys()].length;
      if (operation === 'restore' && name === 2) throw new Error(`fault for ${uid}`);
    };
    const outcomes = await all<ForkOutcome>(
      rig.dispatch.fork(
        '',
        { source: { checkpoint: crid }, count: 3, namePrefix: 'w', labels: { kind: 'copy' } },
        never,
      ),
    );
    expect(outcomes.map(o => o.name).sort()).to.deep.equal(['w-1', 'w-2', 'w-3']);
    const good = outcomes.filter(o => o.container);
    expect(good.length).to.be.greaterThan(0);
    expect(outcomes.filter(o => o.error).length).to.equal(3 - good.length);
    for (const { container } of good) {
      expect(container).to.include({ state: 'running', restoredFrom: crid });
      expect(container?.spec.labels).to.include({ kind: 'copy' });
    }
  });

  it('fork a running container by checkpointing it first, with names that are free', async () => {
    await rig.dispatch.startContainer('', 'a');
    const request = { source: { container: 'a' }, count: 2, labels: {} } as const;
    expect(
      (await all<ForkOutcome>(rig.dispatch.fork('', request, never))).map(o => o.name).sort(),
    ).to.deep.equal(['a-f1', 'a-f2']);
    expect(
      (await all<ForkOutcome>(rig.dispatch.fork('', request, never))).map(o => o.name).sort(),
    ).to.deep.equal(['a-f3', 'a-f4']);
  });

  it('are restored under a new name, and in place of the exited container', async () => {
    await rig.dispatch.startContainer('', 'a');
    const { crid } = await take();
    const restored = await rig.dispatch.restoreCheckpoint(
      '',
      { checkpoint: crid.slice(0, 24), inPlace: false, labels: {} },
      never,
    );
    expect(restored).to.include({ state: 'running', restoredFrom: crid });
    const inPlace = { checkpoint: crid, inPlace: true, labels: {} };
    expect((await failing(rig.dispatch.restoreCheckpoint('', inPlace, never))).code).to.equal('WRONG_STATE');
    await rig.dispatch.stopContainer('', 'a', 0);
    expect(await rig.dispatch.restoreCheckpoint('', inPlace, never)).to.include({
      state: 'running',
      restoredFrom: crid,
    });
  });

  it('have a lineage: children below their parents, copies beside them, closed over a removed one', async () => {
    await rig.dispatch.startContainer('', 'a');
    const [first, second, third] = [await take(), await take(), await take()];
    const copy = await rig.dispatch.restoreCheckpoint(
      '',
      { checkpoint: second.crid, name: 'b', inPlace: false, labels: {} },
      never,
    );
    const branch = await take(copy.spec.name);
    const tree = async (): Promise<[string, number][]> =>
      (await rig.dispatch.checkpointTree(undefined, undefined)).map(n => [n.checkpoint.crid, n.parentIndex]);
    expect(await tree()).to.deep.equal([
      [first.crid, -1],
      [second.crid, 0],
      [third.crid, 1],
      [branch.crid, 1],
    ]);
    await rig.dispatch.removeCheckpoint('', second.crid, false);
    expect(await tree()).to.deep.equal([
      [first.crid, -1],
      [third.crid, 0],
      [branch.crid, 0],
    ]);
    expect(
      (
        await rig.dispatch.restoreCheckpoint(
          '',
          { checkpoint: third.crid, inPlace: false, labels: {} },
          never,
        )
      ).state,
    ).to.equal('running');
  });

  it('keep a layer for as long as one of them, or a container, stacks it', async () => {
    await rig.dispatch.startContainer('', 'a');
    const [first, second] = [await take(), await take()];
    await rig.dispatch.removeCheckpoint('', first.crid, false);
    expect([...rig.world.layers.keys()]).to.include(first.crid);
    await rig.dispatch.removeContainer('', 'a', true);
    await rig.dispatch.removeCheckpoint('', second.crid, false);
    expect([...rig.world.layers.keys()]).to.deep.equal([]);
  });

  it('are published under a name, found by it, kept from removal, and moved only on demand', async () => {
    await rig.dispatch.startContainer('', 'a');
    const [first, second] = [await take(), await take()];
    await rig.dispatch.publishCheckpoint('', first.crid, 'warm:v1', false);
    expect((await rig.dispatch.getCheckpoint('warm:v1')).crid).to.equal(first.crid);
    expect((await failing(rig.dispatch.publishCheckpoint('', second.crid, 'warm:v1', false))).code).to.equal(
      'ALREADY_EXISTS',
    );
    await rig.dispatch.publishCheckpoint('', second.crid, 'warm:v1', true);
    expect((await rig.dispatch.getCheckpoint('warm:v1')).crid).to.equal(second.crid);
    expect((await failing(rig.dispatch.removeCheckpoint('', second.crid, false))).code).to.equal(
      'WRONG_STATE',
    );
    expect((await failing(rig.dispatch.publishCheckpoint('', second.crid, 'Bad Name', false))).code).to.equal(
      'INVALID_SPEC',
    );
    await rig.dispatch.publishCheckpoint('', second.crid, '', false);
    expect((await failing(rig.dispatch.getCheckpoint('warm:v1'))).code).to.equal('NOT_FOUND');
    await rig.dispatch.removeCheckpoint('', second.crid, false);
    await rig.dispatch.removeCheckpoint('', second.crid, false);
  });

  it('answer the guest that asked with the ordinal and the id', async () => {
    const heard: string[] = [];
    rig.task('asker', async ({ say, hear }) => {
      say('TRIGGER v=1 inc=0123456789abcdef seq=1 mech=fake timeout-ms=0 from=signal pid=7');
      heard.push(await hear());
      return 0;
    });
    await rig.dispatch.createContainer('', fakeSpec('g', 'asker'));
    await rig.dispatch.startContainer('', 'g');
    await rig.dispatch.waitContainer('g', never);
    const [checkpoint] = (await rig.dispatch.listCheckpoints({ container: 'g' }, { size: 1 })).items;
    expect(heard).to.deep.equal([
      `ANSWER inc=0123456789abcdef seq=1 result=id value=${checkpoint?.ordinal} crid=${checkpoint?.crid}`,
    ]);
    expect(checkpoint).to.include({ source: 'guest' });
  });

  it('are refused to a guest whose policy forbids it, with the reason, once for each trigger', async () => {
    const heard: string[] = [];
    rig.task('asker', async ({ say, hear }) => {
      for (const seq of [1, 1, 2])
        say(`TRIGGER v=1 inc=0123456789abcdef seq=${seq} mech=any timeout-ms=0 from=tool pid=7`);
      heard.push(await hear(), await hear());
      return 0;
    });
    await rig.dispatch.createContainer('', fakeSpec('g', 'asker', { trigger: { allow: false } }));
    await rig.dispatch.startContainer('', 'g');
    await rig.dispatch.waitContainer('g', never);
    expect(heard[0]).to.match(
      /^ANSWER inc=0123456789abcdef seq=1 result=error value=-1 reason=TRIGGER_DENIED/,
    );
    expect(heard[1]).to.contain('seq=2');
  });

  it('do not suffer from a guest that sends garbage: its link is dropped and nobody else notices', async () => {
    rig.task('garbage', async ({ say }) => {
      say('\u0000\u0001 garbage ☃');
      await new Promise(resolve => setTimeout(resolve, 20));
      return 0;
    });
    await rig.dispatch.startContainer('', 'a');
    await rig.dispatch.createContainer('', fakeSpec('g', 'garbage'));
    await rig.dispatch.startContainer('', 'g');
    await rig.dispatch.waitContainer('g', never);
    const types = (await all(rig.dispatch.events(1, false, never)))
      .filter(e => e.id === 'g')
      .map(e => e.type);
    expect(types).to.include('link-dropped');
    expect((await take()).state).to.equal('committed');
  });

  it('that were half made when the service ended are failed at the next start', async () => {
    await rig.dispatch.startContainer('', 'a');
    rig.world.before = operation => (operation === 'dump' ? new Promise(() => {}) : undefined);
    void take().catch(() => {});
    await new Promise(resolve => setTimeout(resolve, 20));
    rig.world.before = () => {};
    await rig.restart();
    expect((await rig.dispatch.listCheckpoints({}, { size: 10 })).items).to.have.length(0);
    expect((await rig.dispatch.listCheckpoints({ states: ['failed'] }, { size: 10 })).items).to.have.length(
      1,
    );
    expect((await take()).state).to.equal('committed');
  });

  it('found on disk and not in the catalog are listed again; a damaged manifest is not', async () => {
    await rig.dispatch.startContainer('', 'a');
    const { crid } = await take();
    await rig.dispatch.removeContainer('', 'a', true);
    const hidden = join(rig.directory, 'checkpoints', '01ARZ3NDEKTSV4RRFFQ69G5FAV');
    await mkdir(hidden);
    await writeFile(join(hidden, 'manifest.json'), '{"version":1,');
    await rig.restart();
    expect((await rig.dispatch.listCheckpoints({}, { size: 10 })).items.map(c => c.crid)).to.deep.equal([
      crid,
    ]);
    expect(rig.log.join('\n')).to.contain('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  });
});
