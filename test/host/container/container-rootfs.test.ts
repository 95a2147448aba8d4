import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { whyNot } from './subject.js';
import { openWorld, type World } from './world.js';

const script = 'cat /etc/os-release; ls /data 2>/dev/null; echo end';
const usr = [{ source: '/usr', target: '/usr', readOnly: true }];

/** Makes archives that tar would not: each entry as it is said. */
const maker = `
import io, json, sys, tarfile
archive = tarfile.open(sys.argv[1], "w:gz" if sys.argv[1].endswith("gz") else "w", format=tarfile.GNU_FORMAT)
for entry in json.load(sys.stdin):
    info = tarfile.TarInfo(entry["name"])
    info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE, "char": tarfile.CHRTYPE}[entry["type"]]
    info.mode = entry.get("mode", 0o755)
    info.linkname = entry.get("to", "")
    info.devmajor, info.devminor = entry.get("device", [0, 0])
    data = entry.get("data", "").encode()
    info.size = len(data) if entry["type"] == "file" else 0
    archive.addfile(info, io.BytesIO(data) if data else None)
archive.close()
`;

interface Entry {
  readonly name: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'link' | 'char';
  readonly to?: string;
  readonly data?: string;
  readonly device?: [number, number];
}

const base: Entry[] = [
  { name: 'etc', type: 'dir' },
  { name: 'etc/os-release', type: 'file', data: 'NAME=test\n' },
  ...['bin', 'sbin', 'lib', 'lib64'].map((name): Entry => ({ name, type: 'symlink', to: `usr/${name}` })),
  { name: 'data', type: 'dir' },
  { name: 'data/old', type: 'file', data: 'old' },
];

describe('root file systems', function () {
  this.timeout(60_000);
  let world: World;
  let place: string;
  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    world = await openWorld();
    place = join(world.stateDirectory, 'archives');
    mkdirSync(place);
  });
  afterEach(() => world?.clear());
  after(() => world?.close());

  function archive(name: string, entries: readonly Entry[]): string {
    const path = join(place, name);
    execFileSync('python3', ['-c', maker, path], { input: JSON.stringify(entries) });
    return path;
  }

  /** An OCI image layout of these layers, lowest first. */
  function layout(name: string, layers: readonly string[], architecture = 'amd64'): string {
    const directory = join(place, name);
    const blobs = join(directory, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const put = (data: Buffer, mediaType: string) => {
      const hex = createHash('sha256').update(data).digest('hex');
      writeFileSync(join(blobs, hex), data);
      return { mediaType, digest: `sha256:${hex}`, size: data.length };
    };
    const json = (value: unknown, type: string) =>
      put(Buffer.from(JSON.stringify(value)), `application/vnd.oci.image.${type}.v1+json`);
    const config = json({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }, 'config');
    const descriptors = layers.map(path =>
      put(readFileSync(path), 'application/vnd.oci.image.layer.v1.tar+gzip'),
    );
    const manifest = json({ schemaVersion: 2, config, layers: descriptors }, 'manifest');
    const platform = { architecture, os: 'linux' };
    writeFileSync(
      join(directory, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, platform }] }),
    );
    writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    return directory;
  }

  const output = async (name: string, rootfs: string) => {
    await world.run(name, ['sh', '-c', script], { rootfs, volumes: usr });
    await world.dispatch.waitContainer(name, AbortSignal.timeout(10_000));
    return world.output(name);
  };
  const refusal = async (rootfs: string): Promise<PortLayerError> => {
    const caught = await world.run('refused', ['true'], { rootfs, volumes: usr }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(caught).to.be.instanceOf(PortLayerError);
    return caught as PortLayerError;
  };

  it('a directory, a tar and a compressed tar run the same task', async () => {
    const tar = archive('plain.tar', base);
    const unpacked = join(place, 'directory');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xf', tar, '-C', unpacked]);
    for (const [i, rootfs] of [unpacked, tar, archive('packed.tar.gz', base)].entries())
      expect(await output(`one${i}`, rootfs)).to.deep.equal(['NAME=test', 'old', 'end']);
  });

  it('the layers of an OCI image layout lie on each other, with their marks of removal', async function () {
    if (!existsSync('/usr/bin/setfattr')) {
      console.log('      skipped: setfattr is missing: apt-get install attr');
      return this.skip();
    }
    const layers = [
      archive('low.tar.gz', [
        ...base,
        { name: 'gone', type: 'dir' },
        { name: 'gone/f', type: 'file', data: 'x' },
      ]),
      archive('high.tar.gz', [
        { name: 'data', type: 'dir' },
        { name: 'data/.wh..wh..opq', type: 'file' },
        { name: 'data/new', type: 'file', data: 'new' },
        { name: '.wh.gone', type: 'file' },
      ]),
    ];
    const rootfs = layout('image', layers);
    expect(await output('image', rootfs)).to.deep.equal(['NAME=test', 'new', 'end']);
    await world.run('look', ['sh', '-c', 'ls -a / | grep -c -e gone -e .wh'], { rootfs, volumes: usr });
    await world.dispatch.waitContainer('look', AbortSignal.timeout(10_000));
    expect(await world.output('look')).to.deep.equal(['0']);
  });

  it('an image of another architecture is refused, with both named', async () => {
    const error = await refusal(layout('other', [archive('a.tar.gz', base)], 's390x'));
    expect([error.code, error.found, error.required]).to.deep.equal(['INVALID_SPEC', 's390x', 'amd64']);
  });

  it('a layer that is not what its digest says is refused', async () => {
    const directory = layout('bad', [archive('b.tar.gz', base)]);
    for (const name of readdirSync(join(directory, 'blobs/sha256'))) {
      const path = join(directory, 'blobs/sha256', name);
      if (readFileSync(path)[0] === 0x1f) writeFileSync(path, 'other content');
    }
    expect((await refusal(directory)).message).to.include('OCI image layout');
  });

  it('a digest that would lead out of the layout is refused', async () => {
    const directory = layout('escape', [archive('c.tar.gz', base)]);
    const digest = 'sha256:../../../../etc/passwd';
    writeFileSync(join(directory, 'index.json'), JSON.stringify({ manifests: [{ digest }] }));
    expect((await refusal(directory)).found).to.include('..');
  });

  const hostile: [string, Entry[]][] = [
    ['a name with ..', [{ name: '../../../escaped', type: 'file', data: 'x' }]],
    ['an absolute name', [{ name: '/var/tmp/escaped', type: 'file', data: 'x' }]],
    [
      'a file below a symbolic link out',
      [
        { name: 'out', type: 'symlink', to: '/var/tmp' },
        { name: 'out/escaped', type: 'file', data: 'x' },
      ],
    ],
    [
      'a file below a relative link out',
      [
        { name: 'out', type: 'symlink', to: '../../../../../var/tmp' },
        { name: 'out/escaped', type: 'file', data: 'x' },
      ],
    ],
    ['a hard link to a file of the host', [{ name: 'stolen', type: 'link', to: '/etc/hostname' }]],
    ['a hard link with ..', [{ name: 'stolen', type: 'link', to: '../../../../../../etc/hostname' }]],
    [
      'a mark of removal that names its parent',
      [
        { name: 'd', type: 'dir' },
        { name: 'd/.wh...', type: 'file' },
      ],
    ],
  ];
  for (const [what, entries] of hostile) {
    it(`nothing of an archive leaves its directory: ${what}`, async () => {
      const name = `hostile-${createHash('sha256').update(what).digest('hex').slice(0, 8)}`;
      const rootfs = layout(name, [archive(`${name}.tar.gz`, [...base, ...entries])]);
      const caught = await world
        .run('hostile', ['sh', '-c', 'cat /stolen; echo end'], { rootfs, volumes: usr })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      if (caught === undefined) {
        await world.dispatch.waitContainer('hostile', AbortSignal.timeout(10_000));
        expect((await world.output('hostile')).join('\n')).not.to.include(
          readFileSync('/etc/hostname', 'utf8').trim(),
        );
      } else {
        expect(caught).to.be.instanceOf(PortLayerError);
        expect((caught as PortLayerError).code).to.equal('INVALID_SPEC');
      }
      for (const path of [
        '/var/tmp/escaped',
        '/escaped',
        '/var/escaped',
        join(world.stateDirectory, 'escaped'),
        join(world.stateDirectory, 'container/escaped'),
      ])
        expect(existsSync(path), path).to.equal(false);
      expect(
        readdirSync(join(world.stateDirectory, 'container/rootfs')).filter(n => n.startsWith('.')),
      ).to.deep.equal([]);
    });
  }

  it('devices of an archive are not there', async () => {
    const entries: Entry[] = [...base, { name: 'data/disk', type: 'char', device: [1, 1] }];
    expect(await output('devices', archive('devices.tar', entries))).to.deep.equal([
      'NAME=test',
      'old',
      'end',
    ]);
  });

  it('a link of the root file system leads no mount out of it', async () => {
    const directory = join(place, 'linked');
    mkdirSync(join(directory, 'etc'), { recursive: true });
    for (const name of ['bin', 'sbin', 'lib', 'lib64'])
      execFileSync('ln', ['-s', `usr/${name}`, join(directory, name)]);
    execFileSync('ln', ['-s', '/var/tmp', join(directory, 'run')]);
    await world
      .run('linked', ['sh', '-c', 'ls /run/; echo end'], { rootfs: directory, volumes: usr })
      .catch(() => {});
    expect(existsSync('/var/tmp/portlayer')).to.equal(false);
    rmSync('/var/tmp/portlayer', { recursive: true, force: true });
  });
});
