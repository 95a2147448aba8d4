import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Catalog } from '../../../../portlayer/catalog/catalog.js';
import { openCatalog } from '../../../../portlayer/catalog/sqlite-catalog.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { compileContainerSpec } from '../../../../portlayer/model/container-spec.js';
import { newUlid } from '../../../../portlayer/model/ids.js';

function checkpoint(more: Partial<CheckpointRecord> = {}): CheckpointRecord {
  return {
    crid: newUlid(),
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
    createdAtMs: 1,
    ...more,
  };
}

describe('the catalog', () => {
  let directory: string;
  let catalog: Catalog;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-catalog-'));
    catalog = openCatalog(join(directory, 'catalog.db'));
  });
  afterEach(async () => {
    catalog.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('lists checkpoints newest first, in pages, by any mix of filters', () => {
    const gold = Array.from({ length: 5 }, () =>
      checkpoint({ labels: { tier: 'gold' }, mechanism: 'criu', level: 'executor' }),
    );
    for (const record of [
      ...gold,
      checkpoint({ labels: { tier: 'tin' } }),
      checkpoint({ state: 'failed' }),
    ]) {
      catalog.putCheckpoint(record);
    }
    const query = {
      states: ['committed'] as const,
      labels: { tier: 'gold' },
      mechanism: 'criu',
      level: 'executor' as const,
      limit: 3,
    };
    const first = catalog.checkpoints(query);
    const second = catalog.checkpoints({ ...query, after: first.next! });
    expect([...first.items, ...second.items].map(c => c.crid)).to.deep.equal(gold.map(c => c.crid).reverse());
    expect(second.next).to.equal(undefined);
    expect(
      catalog.checkpoints({ states: ['committed'], labels: { tier: '' }, limit: 10 }).items,
    ).to.have.length(6);
  });

  it('finds a checkpoint by its name, and by a prefix only one has', () => {
    const [one, two] = [checkpoint({ published: 'warm:v1' }), checkpoint()];
    catalog.putCheckpoint(one);
    catalog.putCheckpoint(two);
    expect(catalog.checkpointByReference('warm:v1')?.crid).to.equal(one.crid);
    expect(catalog.checkpointsByPrefix(one.crid.slice(0, 25)).length).to.be.within(1, 2);
    expect(catalog.checkpointsByPrefix(one.crid.slice(0, 4))).to.have.length(2);
  });

  it('knows which layers are used, until their last user is gone or failed', () => {
    const image = { bytes: 0, entries: 0, digest: '', layers: ['L'], files: {} };
    const [one, two] = [checkpoint({ image }), checkpoint({ image })];
    catalog.putCheckpoint(one);
    catalog.putCheckpoint(two);
    catalog.dropCheckpoint(one.crid);
    expect(catalog.layerIsUsed('L')).to.equal(true);
    catalog.putCheckpoint({ ...two, state: 'removed' });
    expect(catalog.layerIsUsed('L')).to.equal(false);
  });

  it('undoes a whole transaction when a part of it fails, ordinals and events too', () => {
    const before = catalog.lastSequence();
    expect(() =>
      catalog.transaction(() => {
        catalog.putCheckpoint(checkpoint({ container: 'undone' }));
        catalog.appendEvent({ atMs: 1, subject: 'checkpoint', id: 'x', type: 'x', facts: {} });
        throw new Error('no');
      }),
    ).to.throw('no');
    expect(
      catalog.checkpoints({ states: ['committed'], container: 'undone', limit: 1 }).items,
    ).to.have.length(0);
    expect(catalog.lastSequence()).to.equal(before);
  });

  it('never gives an ordinal twice, also after it was closed', () => {
    const first = catalog.nextOrdinal();
    catalog.close();
    catalog = openCatalog(join(directory, 'catalog.db'));
    expect(catalog.nextOrdinal()).to.equal(first + 1);
  });

  it('refuses a second service on the same file, and says so', () => {
    expect(() => openCatalog(join(directory, 'catalog.db')))
      .to.throw()
      .that.includes({ code: 'WRONG_STATE', required: 'one service for each state directory' });
  });

  it('refuses a damaged file, naming the way to rebuild it', async () => {
    catalog.putCheckpoint(checkpoint());
    catalog.close();
    const file = await open(join(directory, 'catalog.db'), 'r+');
    await file.write(Buffer.alloc(4096, 0xaa), 0, 4096, 0);
    await file.close();
    const path = join(directory, 'catalog.db');
    expect(() => openCatalog(path))
      .to.throw()
      .that.includes({ code: 'CHECKPOINT_CORRUPT' })
      .and.has.property('remedy')
      .that.contains('--rebuild');
    catalog = openCatalog(join(directory, 'other.db'));
  });
});
