import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PortLayerError } from '../../portlayer/client/client.js';
import { type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

const MIB = 1024 * 1024;
const LOOP = 'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n.new && mv n.new n; sleep 0.05; exit 85';

/** Resolves when `holds` does; fails after 20 s. */
async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (await holds()) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  expect.fail(`it did not come about: ${what}`);
}

describe('a store on a file system that fills up', function () {
  this.timeout(120_000);
  let directory: string;
  let service: ServiceUnderTest | undefined;

  before(function () {
    directory = mkdtempSync(join(tmpdir(), 'portlayer-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory], { stdio: 'pipe' });
    } catch (caught) {
      console.log(`      skipped: no file system of its own to fill (${String(caught).split('\n')[0]})`);
      rmSync(directory, { recursive: true });
      this.skip();
    }
  });
  after(async () => {
    rmSync(join(directory, 'filler'), { force: true });
    await service?.close().catch(() => {});
    execFileSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true, force: true });
  });

  const fillTo = (freeBytes: number): void => {
    const { bavail, bsize } = statfsSync(directory);
    const wanted = bavail * bsize - freeBytes;
    try {
      if (wanted > 0) writeFileSync(join(directory, 'filler'), Buffer.alloc(wanted), { flag: 'a' });
    } catch {
      // The loop took the last of it.
    }
  };

  it('says STORE_FULL, lets the task run on, keeps earlier checkpoints, and goes on by itself with room', async () => {
    service = serviceUnderTest(join(directory, 'state'));
    execFileSync('mkdir', [service.stateDirectory]);
    await service.start();
    const { client } = service;
    const committed = async (): Promise<string[]> =>
      (await client.listCheckpoints({ states: ['committed'], pageSize: 1000 })).items.map(c => c.crid);
    const iteration = async (): Promise<number> => (await client.getContainer('job')).iteration;
    await client.createContainer({ name: 'job', task: { argv: ['/bin/sh', '-c', LOOP], exitCode: {} } });
    await client.startContainer('job');
    await eventually('three checkpoints', async () => (await committed()).length >= 3);

    // Less than the reserve: nothing new is begun, the task goes round without it.
    fillTo(6 * MIB);
    await eventually('a refused checkpoint', async () => {
      const { items } = await client.listCheckpoints({ states: ['failed'], pageSize: 10 });
      return items.some(c => c.failure?.code === 'STORE_FULL');
    });
    const before = await committed();
    expect(before.length).to.be.at.least(3);
    expect((await client.getContainer('job')).state).to.be.oneOf(['running', 'starting', 'iterating']);

    // Nothing left at all: not even the catalog can be written.
    fillTo(0);
    await new Promise(resolve => setTimeout(resolve, 1500));
    const listed = new Set(await committed());
    for (const crid of before) expect(listed.has(crid), `${crid} is still listed`).to.equal(true);
    const refused = await client
      .createContainer({ name: 'other', task: { argv: ['true'] } })
      .catch(caught => caught);
    expect(refused).to.be.instanceOf(PortLayerError).and.include({ code: 'STORE_FULL' });

    truncateSync(join(directory, 'filler'), 0);
    const stuckAt = await iteration();
    await eventually('the loop goes on', async () => (await iteration()) > stuckAt + 2);
    await eventually(
      'new checkpoints are committed',
      async () => (await committed()).length > before.length + 1,
    );
  });

  it('is no dead end: full to the last byte, it starts, stops a container and removes checkpoints', async () => {
    const { client } = service!;
    await client.createContainer({ name: 'idle', task: { argv: ['/bin/sleep', '1000'] } });
    await client.startContainer('idle');
    const { items } = await client.listCheckpoints({ states: ['committed'], pageSize: 1000 });
    await service!.kill();
    fillTo(0);
    await service!.start();
    await client.removeContainer('idle', { force: true });
    await client.removeCheckpoint(items.at(-1)!.crid, { force: true });
    truncateSync(join(directory, 'filler'), 0);
  });

  it('survives being killed while it is full', async () => {
    const { client } = service!;
    const before = (await client.listCheckpoints({ states: ['committed'], pageSize: 1000 })).items.map(
      c => c.crid,
    );
    fillTo(0);
    await service!.kill();
    truncateSync(join(directory, 'filler'), 0);
    await service!.start();
    const after = new Set(
      (await client.listCheckpoints({ states: ['committed'], pageSize: 1000 })).items.map(c => c.crid),
    );
    for (const crid of before) expect(after.has(crid)).to.equal(true);
    await client.stopContainer('job', { graceMs: 100 });
  });
});
