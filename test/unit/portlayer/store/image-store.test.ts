import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../../../portlayer/model/container-spec.js';
import { newUlid } from '../../../../portlayer/model/ids.js';
import { type ImageStore, openImageStore } from '../../../../portlayer/store/image-store.js';

/** Commits what is staged, as `record` says; nothing points at it afterwards. */
async function commit(store: ImageStore, one: CheckpointRecord): Promise<void> {
  (await store.commit({ crid: one.crid, layers: [], record: () => one })).release();
}

function record(crid: string): CheckpointRecord {
  return {
    crid,
    ordinal: 1,
    state: 'committed',
    mechanism: 'exit-code',
    level: 'task',
    source: 'api',
    container: 'a',
    containerUid: newUlid(),
    spec: compileContainerSpec({ name: 'a', task: { argv: ['x'] } }),
    labels: {},
    constraints: [],
    phases: {},
    image: { bytes: 1, entries: 1, digest: 'sha256:0', layers: [crid], files: {} },
    createdAtMs: 1,
  };
}

describe('the image store', () => {
  let directory: string;
  let store: ImageStore;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-store-'));
    store = await openImageStore(directory);
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  it('lists a checkpoint only when it is committed, and gives back what was committed', async () => {
    const one = record(newUlid());
    await store.stage(one.crid);
    expect(await store.list()).to.deep.equal([]);
    await commit(store, one);
    expect(await store.list()).to.deep.equal([one.crid]);
    expect(await store.read(one.crid)).to.deep.equal(one);
    await commit(store, one);
  });

  it('keeps images readable for its user alone', async () => {
    const one = record(newUlid());
    await store.stage(one.crid);
    await commit(store, one);
    const { mode } = await (await import('node:fs/promises')).stat(join(directory, 'checkpoints', one.crid));
    expect((mode & 0o777).toString(8)).to.equal('700');
  });

  it('refuses a manifest with any byte missing, and one of another checkpoint', async () => {
    const one = record(newUlid());
    await store.stage(one.crid);
    await commit(store, one);
    const path = join(directory, 'checkpoints', one.crid, 'manifest.json');
    const whole = await readFile(path, 'utf8');
    for (const cut of [0, 1, 10, whole.length - 3]) {
      await writeFile(path, whole.slice(0, cut));
      expect((await store.read(one.crid).catch(caught => caught)).code).to.equal('CHECKPOINT_CORRUPT');
    }
    await writeFile(path, whole.replace(one.crid, newUlid()));
    expect((await store.read(one.crid).catch(caught => caught)).code).to.equal('CHECKPOINT_CORRUPT');
  });

  it('removes what is there and does not mind what is not', async () => {
    const one = record(newUlid());
    await store.stage(one.crid);
    await commit(store, one);
    await store.remove(one.crid, false);
    await store.remove(one.crid, false);
    expect(await store.list()).to.deep.equal([]);
    expect((await store.read(one.crid).catch(caught => caught)).code).to.equal('NOT_FOUND');
  });

  it('sweeps what was left half made, and keeps what is still wanted', async () => {
    const [kept, left] = [newUlid(), newUlid()];
    await store.stage(kept);
    await store.stage(left);
    expect(await store.sweep(new Set([kept]))).to.deep.equal([left]);
  });

  it('replaces a manifest whole when a checkpoint is published', async () => {
    const one = record(newUlid());
    await store.stage(one.crid);
    await commit(store, one);
    await store.rewrite({ ...one, published: 'a:b' });
    expect((await store.read(one.crid)).published).to.equal('a:b');
  });

  it('fails a commit that cannot be written and lists nothing', async () => {
    if (process.getuid?.() === 0) {
      // Root writes everywhere: an occupied name stands in for a directory without permission.
      const one = record(newUlid());
      await store.stage(one.crid);
      await mkdir(join(directory, 'checkpoints', one.crid, 'occupied'), { recursive: true });
      expect((await commit(store, one).catch(caught => caught)).code).to.equal('ENOTEMPTY');
      expect((await store.read(one.crid).catch(caught => caught)).code).to.equal('NOT_FOUND');
      return;
    }
    const one = record(newUlid());
    await store.stage(one.crid);
    await chmod(join(directory, 'checkpoints'), 0o500);
    expect((await commit(store, one).catch(caught => caught)).code).to.equal('EACCES');
    await chmod(join(directory, 'checkpoints'), 0o700);
    expect(await store.list()).to.deep.equal([]);
  });
});
