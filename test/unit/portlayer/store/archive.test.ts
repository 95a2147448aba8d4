import { hash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { tarHeader } from '../../../../portlayer/store/oci-archive.js';
import { noise, type StoreUnderTest, storeUnderTest, text } from './stored.js';

const never = new AbortController().signal;

async function* inPieces(archive: Buffer, bytes: number): AsyncIterable<Buffer> {
  for (let at = 0; at < archive.length; at += bytes) yield archive.subarray(at, at + bytes);
}

/** A tar of these files. */
function tarOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, bytes]) => [
    tarHeader(name, bytes.length),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

describe('an exported image', function () {
  this.timeout(60_000);
  let under: StoreUnderTest;
  let other: StoreUnderTest;
  beforeEach(async () => {
    [under, other] = [await storeUnderTest(), await storeUnderTest()];
  });
  afterEach(() => Promise.all([under.close(), other.close()]));

  const exported = async (crid: string, offset = 0): Promise<Buffer> => {
    const image = await under.store.export(crid, never);
    const chunks: Buffer[] = [];
    for await (const chunk of image.chunks(offset, never)) chunks.push(chunk);
    await image.release();
    const archive = Buffer.concat(chunks);
    expect(archive.length).to.equal(image.bytes - offset);
    return archive;
  };
  const take = (archive: Buffer, pieces = 1000) =>
    other.store.import(inPieces(archive, pieces), given => given, never);
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      caught => PortLayerError.from(caught).code,
    );

  it('is complete in itself, always the same, can be cut anywhere and gone on with, and comes in elsewhere', async () => {
    const pages = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? noise(4096, i + 1) : text(i)));
    const parent = await under.commit({ ram: Buffer.concat(pages) });
    const ram = Buffer.concat([...pages.slice(1), noise(4096, 999), Buffer.alloc(10_000)]);
    const child = await under.commit({ ram, 'sub/state': noise(700, 5) }, parent);
    const archive = await exported(child);
    expect((await exported(child)).equals(archive)).to.equal(true);
    for (const cut of [1, 511, 512, 5000, archive.length - 1025, archive.length - 1])
      expect((await exported(child, cut)).equals(archive.subarray(cut)), `from ${cut}`).to.equal(true);
    expect((await take(archive, 77)).crid).to.equal(child);
    expect(await other.store.list()).to.deep.equal([child]);
    await other.store.verify(child);
    const held = await other.store.hold(child);
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(join(held.directory, 'ram')).equals(ram)).to.equal(true);
    held.release();
    expect(await codeOf(take(archive))).to.equal('ALREADY_EXISTS');
  });

  it('is refused with any of its bytes changed, or cut short, and leaves nothing behind', async () => {
    const crid = await under.commit({ ram: Buffer.concat([text(1), noise(3000, 1)]) });
    const archive = await exported(crid);
    // From behind index.json on, which only says what the manifest's digest is and how people call it.
    for (let at = 2048; at < archive.length; at += 97) {
      if (archive[at] === 0) continue; // Padding of tar is nobody's; what it holds is covered by digests.
      const changed = Buffer.from(archive);
      changed[at]! ^= 1;
      const code = await codeOf(take(changed, 4096));
      expect(code, `byte ${at}`).to.be.oneOf(['CHECKPOINT_CORRUPT', 'INVALID_SPEC']);
    }
    for (const cut of [0, 100, 512, 1000, archive.length >> 1, archive.length - 1500])
      expect(await codeOf(take(archive.subarray(0, cut))), `cut at ${cut}`).to.equal('INVALID_SPEC');
    expect(await other.store.list()).to.deep.equal([]);
    expect(readdirSync(join(other.directory, 'writing'))).to.deep.equal([]);
  });

  it('is not taken from a stranger who means harm', async () => {
    const layout = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
    const huge = tarHeader('index.json', 2 ** 40);
    const link = tarHeader('oci-layout', 0);
    link[156] = 0x32;
    const sum = link.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const blob = (value: object): readonly [string, Buffer] => {
      const bytes = Buffer.from(JSON.stringify(value));
      return [`blobs/sha256/${hash('sha256', bytes)}`, bytes];
    };
    const [name, bytes] = blob({ config: { mediaType: 'x', digest: 'sha256:../../etc/passwd' } });
    const index = Buffer.from(
      JSON.stringify({
        manifests: [
          {
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            digest: name.replace('blobs/sha256/', 'sha256:'),
          },
        ],
      }),
    );
    const hostile: Record<string, Buffer> = {
      'a name that leads out': tarOf({ '../../evil': Buffer.from('x') }),
      'an absolute name': tarOf({ '/tmp/evil': Buffer.from('x') }),
      'a blob’s name that leads out': tarOf({ 'blobs/sha256/../../../evil': Buffer.from('x') }),
      'a file twice': Buffer.concat([
        tarOf({ 'oci-layout': layout }).subarray(0, 1024),
        tarOf({ 'oci-layout': layout }),
      ]),
      'a link': Buffer.concat([link, Buffer.alloc(1024)]),
      'a bomb': Buffer.concat([huge, Buffer.alloc(4096)]),
      'a digest that leads out': tarOf({ 'oci-layout': layout, 'index.json': index, [name]: bytes }),
      'no JSON': tarOf({ 'oci-layout': Buffer.from('{') }),
      'nothing of ours': tarOf({ 'oci-layout': layout, 'index.json': Buffer.from('{"manifests":[]}') }),
      noise: noise(5000, 3),
    };
    for (const [what, archive] of Object.entries(hostile))
      expect(await codeOf(take(archive)), what).to.be.oneOf(['INVALID_SPEC', 'INTERNAL']);
    expect(existsSync('/tmp/evil')).to.equal(false);
    expect(await other.store.list()).to.deep.equal([]);
    expect(readdirSync(join(other.directory, 'writing'))).to.deep.equal([]);
  });
});
