import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { noise, type StoreUnderTest, storeUnderTest, text } from './stored.js';

/** What the code of an error is; `none` where there is none. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    caught => PortLayerError.from(caught).code,
  );
}

describe('a damaged image', function () {
  this.timeout(300_000);
  let under: StoreUnderTest;
  beforeEach(async () => {
    under = await storeUnderTest();
  });
  afterEach(() => under.close());

  const restore = async (crid: string): Promise<void> => {
    const held = await under.store.hold(crid);
    held.release();
  };

  it('is found by verify and refused by restore, whichever byte of it is flipped: every one is tried', async () => {
    // Two frames of an image and one of the image it points into: small, so that there are few bytes to flip.
    const parent = await under.commit({ a: text(1) });
    const child = await under.commit({ a: Buffer.concat([text(1), noise(20, 2)]) }, parent);
    await under.store.verify(child);
    let flips = 0;
    for (const crid of [child, parent]) {
      const directory = join(under.directory, 'checkpoints', crid);
      for (const name of readdirSync(directory)) {
        // The parent's manifest is not part of the child but for where it says what the data is.
        const path = join(directory, name);
        const whole = readFileSync(path);
        for (let at = 0; at < whole.length; at++) {
          const flipped = Buffer.from(whole);
          flipped[at]! ^= 1 << (at % 8);
          writeFileSync(path, flipped);
          expect(
            await codeOf(under.store.verify(child)),
            `verify with byte ${at} of ${name} flipped`,
          ).to.equal('CHECKPOINT_CORRUPT');
          expect(await codeOf(restore(child)), `restore with byte ${at} of ${name} flipped`).to.equal(
            'CHECKPOINT_CORRUPT',
          );
          flips += 1;
        }
        writeFileSync(path, whole);
      }
    }
    await under.store.verify(child);
    await restore(child);
    console.log(`      ${flips} bytes flipped`);
  });

  it('is refused however much of its end is missing', async () => {
    const crid = await under.commit({ a: Buffer.concat([text(1), noise(9000, 3)]) });
    const directory = join(under.directory, 'checkpoints', crid);
    for (const name of readdirSync(directory)) {
      const whole = readFileSync(join(directory, name));
      for (const cut of [0, 1, 63, 64, 100, whole.length >> 1, whole.length - 64, whole.length - 1]) {
        writeFileSync(join(directory, name), whole.subarray(0, cut));
        expect(await codeOf(restore(crid)), `${name} cut to ${cut}`).to.equal('CHECKPOINT_CORRUPT');
        expect(await codeOf(under.store.verify(crid)), `${name} cut to ${cut}`).to.equal(
          'CHECKPOINT_CORRUPT',
        );
      }
      writeFileSync(join(directory, name), Buffer.concat([whole, Buffer.of(0)]));
      expect(await codeOf(restore(crid)), `${name} made longer`).to.equal('CHECKPOINT_CORRUPT');
      writeFileSync(join(directory, name), whole);
    }
    await restore(crid);
  });

  it('gives nothing to the images that are written after it: what it held is stored again', async () => {
    const ram = noise(100_000, 9);
    const damaged = await under.commit({ ram });
    const path = join(under.directory, 'checkpoints', damaged, 'data-1');
    const bytes = readFileSync(path);
    bytes[bytes.length - 70]! ^= 1;
    writeFileSync(path, bytes);
    await under.reopen();
    const next = await under.commit({ ram }, damaged);
    expect((await under.store.describe(next)).sources).to.deep.equal([]);
    await under.store.verify(next);
  });
});
