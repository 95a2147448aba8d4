import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkLayerArchive } from '../../../../portlayer/store/check-layer-archive.js';
import { tarHeader } from '../../../../portlayer/store/oci-archive.js';

interface Entry {
  readonly name: string;
  readonly kind?: string;
  readonly target?: string;
  readonly content?: Buffer;
  /** What the header says of its size, where that is not the content's. */
  readonly size?: number;
  readonly device?: string;
  readonly prefix?: string;
}

function archive(...entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ name, kind = '0', target = '', content = Buffer.alloc(0), ...more }) => {
    const header = tarHeader(name, more.size ?? content.length);
    header.write(kind, 156, 'latin1');
    header.write(target, 157, 'latin1');
    header.write(more.device ?? '0000000\x000000000\0', 329, 'latin1');
    header.write(more.prefix ?? '', 345, 'latin1');
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

const pax = (key: string, value: string): Buffer => {
  const rest = ` ${key}=${value}\n`;
  const digits = String(rest.length + 2).length;
  return Buffer.from(`${rest.length + digits}${rest}`);
};

describe('a packed layer', () => {
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-layer-'));
  after(() => rmSync(directory, { recursive: true }));

  const outcome = async (bytes: Buffer): Promise<string> => {
    const path = join(directory, 'layer');
    writeFileSync(path, bytes);
    return checkLayerArchive(path).then(
      () => 'taken',
      (caught: Error) => `${caught.name}: ${caught.message}`,
    );
  };

  it('is taken with files, directories, links, whiteouts, long names and times', async () => {
    const long = `./${'d/'.repeat(80)}file`;
    const good = archive(
      { name: './', kind: '5' },
      { name: './PaxHeaders/x', kind: 'x', content: pax('mtime', '1.000000001') },
      { name: './file', content: Buffer.from('content') },
      { name: './hard', kind: '1', target: './file' },
      { name: './soft', kind: '2', target: '/etc/passwd' },
      { name: './gone', kind: '3' },
      { name: './pipe', kind: '6' },
      { name: '././@LongLink', kind: 'L', content: Buffer.from(`${long}\0`) },
      { name: long.slice(0, 100), content: Buffer.from('x') },
      { name: './..hidden', content: Buffer.from('x') },
    );
    expect(await outcome(good)).to.equal('taken');
  });

  const link: Entry = { name: './out', kind: '2', target: '/etc' };
  const hidden = archive({ name: '/etc/passwd', content: Buffer.from('root::0:0::/:/bin/sh') });
  const hostile: Record<string, Buffer> = {
    'an absolute name': archive({ name: '/etc/passwd' }),
    'a name that leads out': archive({ name: './a/../../b' }),
    'a name with no place': archive({ name: 'a' }),
    'a long name that leads out': archive(
      {
        name: '././@LongLink',
        kind: 'L',
        content: Buffer.from(`./${'a/'.repeat(60)}${'../'.repeat(70)}b\0`),
      },
      { name: './a' },
    ),
    'a name in two parts': archive({ name: './passwd', prefix: '/etc' }),
    'a name behind a link of its own': archive(link, { name: './out/passwd', content: Buffer.from('x') }),
    'the same, with a detour': archive(link, { name: './/./out/./passwd', content: Buffer.from('x') }),
    'a name behind another name of such a link': archive(
      link,
      { name: './other', kind: '1', target: './out' },
      { name: './other/passwd', content: Buffer.from('x') },
    ),
    'a hard link that leads out': archive({ name: './a', kind: '1', target: '/etc/shadow' }),
    'a hard link up': archive({ name: './a', kind: '1', target: './../../etc/shadow' }),
    'a hard link through a link': archive(link, { name: './a', kind: '1', target: './out/shadow' }),
    'a long hard link that leads out': archive(
      { name: '././@LongLink', kind: 'K', content: Buffer.from(`/${'etc/../'.repeat(20)}etc/shadow\0`) },
      { name: './a', kind: '1', target: './b' },
    ),
    'an entry hidden in what tar takes for no content': archive({
      name: './a',
      kind: '1',
      target: './b',
      content: hidden,
    }),
    'a directory with content': archive({ name: './a', kind: '5', content: hidden }),
    'a device': archive({ name: './mem', kind: '3', device: '0000001\x000000001\0' }),
    'a device with a number that is none': archive({
      name: './mem',
      kind: '3',
      device: '\x80000001\x000000001\0',
    }),
    'a block device': archive({ name: './sda', kind: '4' }),
    'a sparse file': archive({ name: './a', kind: 'S' }),
    'a path in a pax header': archive(
      { name: './x', kind: 'x', content: pax('path', '/etc/passwd') },
      { name: './a' },
    ),
    'a size in a pax header': archive(
      { name: './x', kind: 'x', content: pax('size', '512') },
      { name: './a' },
    ),
    'a pax header for all': archive({ name: './x', kind: 'g', content: pax('path', '/etc/passwd') }),
    'a pax header with no length': archive({ name: './x', kind: 'x', content: Buffer.from('x mtime=1\n') }),
    'a pax header that goes on for ever': archive({
      name: './x',
      kind: 'x',
      content: Buffer.from('0 mtime=1\n'),
    }),
    'a header that takes all memory': archive({ name: './x', kind: 'x', size: 2 ** 33 }),
    'a file that is longer than the archive': archive({ name: './a', size: 2 ** 40 }),
    'a size beyond all bounds': archive({ name: './a', size: 2 ** 60 }),
  };
  for (const [what, bytes] of Object.entries(hostile))
    it(`is refused with ${what}`, async () => {
      expect(await outcome(bytes)).to.match(/^RangeError: a /);
    });
});
