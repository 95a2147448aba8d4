import { execFileSync, spawnSync } from 'node:child_process';
import { openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BIN, type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

const LOOP =
  'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n.new && mv n.new n; sleep 0.05; [ $n -lt 3 ] && exit 85; exit 0';

describe('a damaged catalog', function () {
  this.timeout(60_000);
  let service: ServiceUnderTest;

  before(async () => {
    service = serviceUnderTest();
    await service.start();
  });
  after(() => service.close());

  const rebuild = (): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [BIN, 'doctor', '--rebuild', '--state-dir', service.stateDirectory], {
      encoding: 'utf8',
    });

  it('is rebuilt from the manifests; what runs goes on running', async () => {
    const { client, stateDirectory } = service;
    await client.createContainer({ name: 'job', task: { argv: ['/bin/sh', '-c', LOOP], exitCode: {} } });
    await client.startContainer('job');
    await client.waitContainer('job');
    await client.createContainer({
      name: 'steady',
      task: { argv: ['/bin/sh', '-c', 'while :; do sleep 1; done'] },
    });
    await client.startContainer('steady');
    const [newest] = (await client.listCheckpoints({ container: 'job' })).items;
    await client.publishCheckpoint(newest!.crid, 'job:done');
    const before = (await client.listCheckpoints()).items.map(c => c.crid);
    expect(before).to.have.length(3);

    expect(rebuild().stderr).to.contain('Another portlayer service uses this state directory');
    await service.kill();
    // What the log beside it holds would heal it.
    rmSync(join(stateDirectory, 'catalog.db-wal'), { force: true });
    const file = openSync(join(stateDirectory, 'catalog.db'), 'r+');
    writeSync(file, Buffer.alloc(8192, 0xaa), 0, 8192, 0);

    service.launch();
    const error = await service.ready().then(
      () => expect.fail('a service started on a damaged catalog'),
      caught => String(caught),
    );
    expect(error).to.contain('portlayer doctor --rebuild');
    await service.kill();

    const rebuilt = rebuild();
    expect(rebuilt.stderr + rebuilt.stdout).to.contain('3 checkpoints and 2 containers');
    expect(rebuilt.status).to.equal(0);
    expect(readdirSync(stateDirectory).some(name => name.startsWith('catalog.db.damaged-'))).to.equal(true);

    await service.start();
    expect((await client.listCheckpoints()).items.map(c => c.crid)).to.deep.equal(before);
    expect((await client.getCheckpoint('job:done')).crid).to.equal(newest!.crid);
    expect((await client.getContainer('steady')).state).to.equal('running');
    for await (const outcome of client.fork({ checkpoint: 'job:done' }, { namePrefix: 'again' })) {
      expect(outcome).to.have.property('container');
    }
    expect((await client.waitContainer('again-1')).code).to.equal(0);
  });

  it('can be read by buf curl with no proto file at hand', () => {
    const output = execFileSync(
      'npx',
      [
        'buf',
        'curl',
        '--protocol',
        'grpc',
        '--http2-prior-knowledge',
        '--unix-socket',
        join(service.stateDirectory, 'portlayer.sock'),
        'http://localhost/portlayer.execution.v1.Execution/ListCheckpoints',
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    );
    expect(JSON.parse(output).checkpoints).to.have.length.at.least(3);
  });
});
