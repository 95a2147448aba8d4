import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { packageRoot } from '../../../../portlayer/package-root.js';
import { decodeRuns, encodeRuns, toRuns } from '../../../../portlayer/store/format/chunk-map.js';
import { decodeTrailer, encodeTrailer } from '../../../../portlayer/store/format/data-file.js';
import { merkleRoot } from '../../../../portlayer/store/format/merkle-root.js';
import { decodeManifest, encodeManifest } from '../../../../portlayer/store/manifest.js';
import { noise, storeUnderTest, text } from './stored.js';

const GOLDEN = join(packageRoot(), 'test/unit/portlayer/store/golden');
const [PARENT, CHILD] = ['01K4XZ6Q0V9J3T8W2R5YB7N1C0', '01K4XZ6Q0V9J3T8W2R5YB7N1C1'];

describe('the form of images', function () {
  this.timeout(60_000);

  it('that version 1 wrote is read for ever: a golden image and the one it points into', async () => {
    const under = await storeUnderTest();
    try {
      cpSync(GOLDEN, join(under.directory, 'checkpoints'), { recursive: true });
      expect(await under.store.list()).to.have.members([PARENT, CHILD]);
      await under.store.verify(CHILD);
      expect((await under.store.describe(CHILD)).sources).to.deep.equal([PARENT]);
      const held = await under.store.hold(CHILD);
      const ram = readFileSync(join(held.directory, 'ram'));
      expect(ram.equals(Buffer.concat([text(1), text(3), noise(4096, 1), text(2)]))).to.equal(true);
      expect(readFileSync(join(held.directory, 'sub/state')).equals(noise(100, 2))).to.equal(true);
      expect(readFileSync(join(held.directory, 'empty'))).to.have.length(0);
      held.release();
    } finally {
      await under.close();
    }
  });

  it('of a manifest is the same when it is read and written again', () => {
    for (const crid of [PARENT, CHILD]) {
      const written = readFileSync(join(GOLDEN, crid, 'manifest.json'), 'utf8');
      expect(encodeManifest(decodeManifest(crid, written))).to.equal(written);
    }
  });

  it('of a trailer is the same when it is read and written again, and nothing else is taken for one', () => {
    const data = readFileSync(join(GOLDEN, CHILD, 'data-1'));
    const { image } = decodeManifest(CHILD, readFileSync(join(GOLDEN, CHILD, 'manifest.json'), 'utf8'));
    const trailer = data.subarray(data.length - image.data.trailerBytes);
    expect(encodeTrailer(decodeTrailer(trailer)).equals(trailer)).to.equal(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        expect(() => decodeTrailer(Buffer.from(bytes))).to.throw(RangeError);
      }),
    );
  });

  it('of a chunk map gives back every map, and takes no stranger’s bytes for one it cannot be', () => {
    const page = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 100_000 }));
    fc.assert(
      fc.property(fc.array(page, { maxLength: 200 }), pages => {
        const runs = toRuns(Int32Array.from(pages.flat()));
        const back = decodeRuns(encodeRuns(runs), pages.length, 3);
        expect([...back]).to.deep.equal([...runs]);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 1000 }), (bytes, count) => {
        try {
          const runs = decodeRuns(bytes, count, 2);
          let sum = 0;
          for (let i = 0; i < runs.length; i += 3) sum += runs[i + 1]!;
          expect(sum).to.equal(count);
        } catch (caught) {
          expect(caught).to.be.instanceOf(RangeError);
        }
      }),
    );
  });

  it('of a Merkle root tells one page more, one less, and two exchanged', () => {
    const leaves = noise(600 * 32, 1);
    const exchanged = Buffer.concat([leaves.subarray(32, 64), leaves.subarray(0, 32), leaves.subarray(64)]);
    const roots = [
      leaves,
      leaves.subarray(32),
      Buffer.concat([leaves, noise(32, 2)]),
      exchanged,
      Buffer.alloc(0),
    ];
    expect(new Set(roots.map(merkleRoot)).size).to.equal(roots.length);
  });
});
