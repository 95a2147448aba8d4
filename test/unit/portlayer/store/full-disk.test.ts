import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { newUlid } from '../../../../portlayer/model/ids.js';
import { type ImageStore, openImageStore } from '../../../../portlayer/store/image-store.js';
import { noise, sampleRecord, stageFiles } from './stored.js';

const KIB = 1024;
const never = new AbortController().signal;
/** Bytes that are free when a step begins: from nothing at all to nearly enough, so that it breaks off at each of its parts. */
const FREE = [0, 4, 8, 16, 40, 100, 200, 300, 420, 540, 620, 700, 900].map(kib => kib * KIB);

describe('an image store on a file system that is full', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-full-store-'));
  let store: ImageStore;
  const content = new Map<string, Buffer>();

  before(async function () {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=10m', 'tmpfs', directory], { stdio: 'pipe' });
    } catch (caught) {
      console.log(`      skipped: no file system of its own to fill (${String(caught).split('\n')[0]})`);
      rmSync(directory, { recursive: true });
      this.skip();
    }
    store = await openImageStore(join(directory, 'store'));
  });
  after(async () => {
    await store?.[Symbol.asyncDispose]();
    if (store) execFileSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true, force: true });
  });

  async function commit(ram: Buffer, parent?: string, crid = newUlid()): Promise<string> {
    await stageFiles(store, crid, { ram });
    return commitStaged(crid, ram, parent);
  }
  async function commitStaged(crid: string, ram: Buffer, parent?: string): Promise<string> {
    const record = { crid, layers: [], ...(parent === undefined ? {} : { parent }) };
    (await store.commit({ ...record, record: stored => sampleRecord(crid, stored) })).release();
    content.set(crid, ram);
    await store.evict(crid);
    return crid;
  }

  /** Leaves so many bytes free. Returns how to free the rest again. */
  function fill(freeBytes: number): () => void {
    const filler = join(directory, 'filler');
    const { bavail, bsize } = statfsSync(directory);
    writeFileSync(filler, Buffer.alloc(Math.max(bavail * bsize - freeBytes, 0)));
    return () => rmSync(filler, { force: true });
  }

  /** Does a step with less and less room missing, until it has enough. How often it had not. */
  async function untilItFits(step: () => Promise<unknown>, whole: () => Promise<void>): Promise<number> {
    for (const [times, freeBytes] of [...FREE, 8 * 1024 * KIB].entries()) {
      const empty = fill(freeBytes);
      const code = await step().then(
        () => 'done',
        caught => PortLayerError.from(caught).code,
      );
      empty();
      expect(code, `with ${freeBytes} bytes free`).to.be.oneOf(['done', 'STORE_FULL']);
      await whole();
      if (code === 'done') return times;
    }
    throw new Error('it never had enough room');
  }

  /** What was committed is listed, whole, and holds what it held; and nothing else is there. */
  async function allIsWell(): Promise<void> {
    expect(await store.list()).to.have.members([...content.keys()]);
    for (const [crid, ram] of content) {
      await store.verify(crid);
      const held = await store.hold(crid);
      const is = readFileSync(join(held.directory, 'ram')).equals(ram);
      held.release();
      await store.evict(crid);
      expect(is, `${crid} holds what it held`).to.equal(true);
      const names = readdirSync(join(directory, 'store', 'checkpoints', crid));
      expect(names.filter(name => name.startsWith('data-'))).to.have.length(1);
    }
  }

  it('commits when there is room, and until then lists nothing of it', async () => {
    const ram = noise(600 * KIB, 1);
    const crid = newUlid();
    await stageFiles(store, crid, { ram });
    expect(await untilItFits(() => commitStaged(crid, ram), allIsWell)).to.be.greaterThan(5);
  });

  it('folds an image when there is room, and until then leaves it as it was', async () => {
    const [parent, ram] = [[...content][0]!, noise(600 * KIB, 1)];
    noise(8 * KIB, 2).copy(ram, 64 * KIB);
    const child = await commit(ram, parent[0]);
    expect((await store.describe(child)).sources).to.deep.equal([parent[0]]);
    const times = await untilItFits(() => store.rewriteData(child, { against: 'alone' }), allIsWell);
    expect(times).to.be.greaterThan(5);
    expect((await store.describe(child)).sources).to.deep.equal([]);
  });

  it('moves what others need of removed data when there is room, and until then keeps it', async () => {
    const mostly = noise(300 * KIB, 3);
    const parent = await commit(mostly);
    const ram = Buffer.concat([mostly.subarray(0, 100 * KIB), noise(100 * KIB, 4)]);
    const child = await commit(ram, parent);
    await store.remove(parent, true);
    content.delete(parent);
    expect((await store.retired()).map(({ crid }) => crid)).to.deep.equal([parent]);
    expect(await store.pagesIn(child, parent)).to.equal(25);
    const move = (): Promise<unknown> => store.rewriteData(child, { against: 'store', without: parent });
    expect(await untilItFits(move, allIsWell)).to.be.greaterThan(2);
    expect((await store.describe(child)).sources).to.deep.equal([]);
    // Removing takes no room.
    const empty = fill(0);
    await store.remove(parent, false);
    empty();
    expect(await store.retired()).to.deep.equal([]);
    await allIsWell();
  });

  it('takes an archive in when there is room, and until then lists nothing of it', async () => {
    const [crid, ram] = [...content].at(-1)!;
    const exported = await store.export(crid, never);
    const chunks: Buffer[] = [];
    for await (const chunk of exported.chunks(0, never)) chunks.push(chunk);
    await exported.release();
    await store.remove(crid, false);
    content.delete(crid);
    const take = async (): Promise<void> => {
      await store.import(pieces(Buffer.concat(chunks)), record => record, never);
      content.set(crid, ram);
    };
    expect(await untilItFits(take, allIsWell)).to.be.greaterThan(2);
    expect(readdirSync(join(directory, 'store', 'writing'))).to.deep.equal([]);
  });

  it('exports when there is room, and until then leaves nothing behind', async () => {
    const [crid] = [...content][0]!;
    const give = async (): Promise<void> => {
      const exported = await store.export(crid, never);
      await exported.release();
    };
    expect(await untilItFits(give, allIsWell)).to.be.greaterThan(2);
    mkdirSync(join(directory, 'store', 'writing'), { recursive: true });
    expect(readdirSync(join(directory, 'store', 'writing'))).to.deep.equal([]);
  });
});

async function* pieces(archive: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < archive.length; at += 30_000) yield archive.subarray(at, at + 30_000);
}
