import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { PortLayerError } from '../../portlayer/client/client.js';
import { BIN, type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

/** Makes one checkpoint, then stays up; a copy of it finds what it wrote. */
const ONCE = '[ -e n ] && exec sleep 1000; echo 1 > n; exit 85';

describe('a restore drill', function () {
  this.timeout(120_000);
  let service: ServiceUnderTest;
  before(async () => {
    service = serviceUnderTest();
    await service.start();
  });
  after(() => service.close());

  const verify = (crid: string, probe: string): { readonly code: number; readonly output: string } => {
    const drill = ['--restore', '--for', '100ms', '--probe', probe];
    const argv = [BIN, '--address', service.address, 'checkpoint', 'verify', ...drill, crid];
    try {
      return { code: 0, output: execFileSync(process.execPath, argv, { encoding: 'utf8', stdio: 'pipe' }) };
    } catch (caught) {
      const { status, stdout, stderr } = caught as { status: number; stdout: string; stderr: string };
      return { code: status, output: stdout + stderr };
    }
  };

  it('starts a copy beside the original, probes it, notes what came of it, and leaves nothing behind', async () => {
    const { client } = service;
    await client.createContainer({ name: 'job', task: { argv: ['/bin/sh', '-c', ONCE], exitCode: {} } });
    await client.startContainer('job');
    let crid: string | undefined;
    for (const deadline = Date.now() + 60_000; crid === undefined && Date.now() < deadline; ) {
      crid = (await client.listCheckpoints({ states: ['committed'] })).items[0]?.crid;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    expect(crid, 'a committed checkpoint').to.be.a('string');
    const good = verify(crid!, 'grep -q 1 $PORTLAYER_STATE/n');
    expect(good.code, good.output).to.equal(0);
    expect((await client.getCheckpoint(crid!)).verifiedBy).to.equal('restore');

    const bad = verify(crid!, 'grep -q 2 $PORTLAYER_STATE/n');
    expect(bad.code, bad.output).not.to.equal(0);
    expect(bad.output).to.contain('the probe');
    const { quarantined, verifiedAt } = await client.getCheckpoint(crid!);
    expect(quarantined).to.contain('the probe');
    expect(verifiedAt).to.equal(undefined);
    const refused = await client.restoreCheckpoint(crid!, { name: 'other' }).catch(caught => caught);
    expect(refused).to.be.instanceOf(PortLayerError).and.include({ code: 'CHECKPOINT_CORRUPT' });

    const containers = (await client.listContainers()).items;
    expect(containers.map(({ spec, state }) => `${spec.name} ${state}`)).to.deep.equal(['job running']);
  });
});
