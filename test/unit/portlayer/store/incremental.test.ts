import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { newUlid } from '../../../../portlayer/model/ids.js';
import { noise, type StoreUnderTest, sampleRecord, stageFiles, storeUnderTest, text } from './stored.js';

const MIB = 1024 * 1024;

describe('images in the store', function () {
  this.timeout(60_000);
  let under: StoreUnderTest;
  beforeEach(async () => {
    under = await storeUnderTest();
  });
  afterEach(() => under.close());

  const read = async (crid: string, path: string): Promise<Buffer> => {
    const held = await under.store.hold(crid);
    try {
      return await readFile(join(held.directory, path));
    } finally {
      held.release();
    }
  };
  const stored = async (crid: string): Promise<number> => (await under.store.describe(crid)).data.bytes;

  it('come back byte for byte: empty files, odd sizes, holes, directories, modes', async () => {
    const ram = Buffer.concat([noise(2 * MIB, 1), Buffer.alloc(6 * MIB), noise(5000, 2), Buffer.alloc(3)]);
    const files = { ram, empty: Buffer.alloc(0), 'image/a': noise(1, 3), 'image/b/c': noise(4096, 4) };
    const crid = await under.commit(files);
    await under.reopen();
    for (const [path, bytes] of Object.entries(files))
      expect((await read(crid, path)).equals(bytes)).to.equal(true);
    const { blocks } = await stat(join(under.directory, 'staging', crid, 'ram'));
    expect(blocks * 512).to.be.below(3 * MIB);
    expect(await stored(crid)).to.be.below(2.2 * MIB);
  });

  it('store only what changed: a change of 4 KiB adds less than 16 KiB, wherever pages have moved to', async () => {
    const pages = Array.from({ length: 500 }, (_, i) => noise(4096, i + 1));
    const first = await under.commit({ ram: Buffer.concat(pages) });
    const moved = [noise(4096, 9000), ...pages];
    const second = await under.commit({ ram: Buffer.concat(moved) }, first);
    expect(await stored(second)).to.be.below(16 * 1024);
    expect((await under.store.describe(second)).sources).to.deep.equal([first]);
    const beside = await under.commit({ other: Buffer.concat(pages.slice(0, 100)) });
    expect(await stored(beside)).to.be.below(1024);
    expect((await read(second, 'ram')).equals(Buffer.concat(moved))).to.equal(true);
    expect((await read(beside, 'other')).equals(Buffer.concat(pages.slice(0, 100)))).to.equal(true);
  });

  it('find after a restart what was stored before it', async () => {
    const ram = noise(MIB, 7);
    const first = await under.commit({ ram });
    await under.reopen();
    expect(await stored(await under.commit({ ram }, first))).to.be.below(1024);
    await under.reopen();
    expect(await stored(await under.commit({ ram }))).to.be.below(1024);
  });

  it('of two branches both point into their parent, and outlive its removal', async () => {
    const pages = Array.from({ length: 300 }, (_, i) => noise(4096, i + 1));
    const parent = await under.commit({ ram: Buffer.concat(pages) });
    const change = (seed: number) =>
      Buffer.concat(pages.map((page, i) => (i === seed ? noise(4096, -seed) : page)));
    const [left, right] = [
      await under.commit({ ram: change(3) }, parent),
      await under.commit({ ram: change(4) }, parent),
    ];
    await under.store.remove(parent, true);
    expect(await under.store.list()).to.have.members([left, right]);
    expect((await read(left, 'ram')).equals(change(3))).to.equal(true);
    expect((await under.store.retired()).map(each => each.crid)).to.deep.equal([parent]);
    await under.store.remove(left, false);
    expect((await read(right, 'ram')).equals(change(4))).to.equal(true);
    // Folded, it needs its parent no more.
    const folded = await under.store.rewriteData(right, { against: 'alone' });
    expect(folded.image?.sources).to.deep.equal([]);
    await under.store.remove(parent, false);
    await under.store.evict(right);
    expect((await read(right, 'ram')).equals(change(4))).to.equal(true);
    await under.store.verify(right);
  });

  it('of many generations, each with scattered pages changed, come back as they were', async () => {
    // Seven slices of a restore; a frame of each generation holds pages of most of them.
    const ram = Buffer.concat([noise(13 * MIB, 41), Buffer.alloc(3 * MIB), noise(9 * MIB + 100, 42)]);
    const small = noise(9000, 43);
    let parent = await under.commit({ ram, small });
    for (let generation = 1; generation < 12; generation++) {
      for (let page = generation * 7; page < ram.length / 4096; page += 211)
        noise(64, generation * 10_000 + page).copy(ram, page * 4096 + 100);
      parent = await under.commit({ ram, small }, parent);
    }
    expect((await under.store.describe(parent)).sources).to.have.length(11);
    expect((await read(parent, 'ram')).equals(ram)).to.equal(true);
    expect((await read(parent, 'small')).equals(small)).to.equal(true);
    const { blocks } = await stat(join(under.directory, 'staging', parent, 'ram'));
    expect(blocks * 512).to.be.below(23 * MIB);
  });

  it('are folded while they are read from, and those that point into them stay whole', async () => {
    const base = noise(8 * MIB, 11);
    const versions = [base];
    const crids = [await under.commit({ ram: base })];
    for (let i = 1; i < 6; i++) {
      const next = Buffer.from(versions.at(-1)!);
      noise(64 * 1024, 100 + i).copy(next, i * MIB);
      versions.push(next);
      crids.push(await under.commit({ ram: next }, crids.at(-1)));
    }
    const reading = crids.map(async (crid, i) => (await read(crid, 'ram')).equals(versions[i]!));
    const folding = under.store.rewriteData(crids[3]!, { against: 'alone' });
    expect(await Promise.all(reading)).to.deep.equal(crids.map(() => true));
    await folding;
    for (const [i, crid] of crids.entries()) {
      await under.store.evict(crid);
      expect((await read(crid, 'ram')).equals(versions[i]!), `generation ${i}`).to.equal(true);
      await under.store.verify(crid);
    }
  });

  it('take up what a killed service had written, and write the rest', async () => {
    const ram = Buffer.concat(Array.from({ length: 400 }, (_, i) => text(i)));
    const crid = newUlid();
    await stageFiles(under.store, crid, { ram });
    const cut = new AbortController();
    const failing = under.store.commit({
      crid,
      layers: [],
      record: facts => sampleRecord(crid, facts),
      signal: cut.signal,
      progress: () => cut.abort(),
    });
    expect(
      await failing.then(
        () => 'committed',
        () => 'cut',
      ),
    ).to.equal('cut');
    expect(await under.store.list()).to.deep.equal([]);
    await under.reopen();
    const { release } = await under.store.commit({
      crid,
      layers: [],
      record: facts => sampleRecord(crid, facts),
    });
    release();
    await under.store.evict(crid);
    expect((await read(crid, 'ram')).equals(ram)).to.equal(true);
    await under.store.verify(crid);
  });

  it('are written and read at the same time by many, and share what they have in common', async () => {
    const common = noise(4 * MIB, 21);
    const images = Array.from({ length: 6 }, (_, i) => Buffer.concat([noise(MIB, 30 + i), common]));
    const crids = await Promise.all(images.map(ram => under.commit({ ram })));
    const back = await Promise.all(crids.map(crid => read(crid, 'ram')));
    for (const [i, bytes] of back.entries()) expect(bytes.equals(images[i]!)).to.equal(true);
    for (const crid of crids) await under.store.verify(crid);
  });

  it('say which data is gone, and restore nothing of it', async () => {
    const parent = await under.commit({ ram: noise(MIB, 5) });
    const child = await under.commit({ ram: noise(MIB, 5) }, parent);
    const { rm } = await import('node:fs/promises');
    await rm(join(under.directory, 'checkpoints', parent), { recursive: true });
    const error = await read(child, 'ram').catch(caught => caught);
    expect(error).to.be.instanceOf(PortLayerError).and.include({ code: 'CHECKPOINT_CORRUPT' });
    expect(error.message).to.contain(parent);
  });
});
