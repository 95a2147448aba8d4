import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { leftovers } from '../container/leftovers.js';
import { type DmtcpWorld, openDmtcpWorld, openOrSkip } from './world.js';

const counter = [
  '/usr/bin/python3',
  '-c',
  'import time\ni = 0\nwhile True:\n i += 1; print(i, flush=True); time.sleep(0.02)',
];
const kills = 2;
const forkedPrefix = '/opt/dmtcp-forked';

describe('a service that is killed while it checkpoints and restores by DMTCP', function () {
  this.timeout(180_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    dmtcp = await openOrSkip(this);
  });
  after(() => dmtcp?.world.close());

  it('leaves the original running, lists nothing partial, and leaves nothing behind', async () => {
    const { world } = dmtcp;
    await dmtcp.run('one', counter);
    await world.said('one', /^3$/);
    const { crid } = await dmtcp.checkpoint('one', { committed: true });
    const { uid } = await world.dispatch.getContainer('one');
    for (let i = 0; i < kills; i++) {
      await world.endService();
      const script = fileURLToPath(new URL('./killed-service.ts', import.meta.url));
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', script, world.stateDirectory, crid, `copy-${i}`],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      await new Promise(resolve => child.stdout.once('data', resolve));
      await sleep(Math.random() * 1_500);
      child.kill('SIGKILL');
      await new Promise(resolve => child.once('exit', resolve));
      await world.beginService();
      const one = await world.dispatch.getContainer('one');
      expect([one.uid, one.state], `kill ${i}`).to.deep.equal([uid, 'running']);
      const count = (await world.output('one')).length;
      await world.said('one', new RegExp(`^${count + 5}$`));
      const { items } = await world.dispatch.listCheckpoints({}, { size: 1000 });
      for (const { state } of items) expect(['captured', 'committing', 'committed']).to.include(state);
      // The newest that is listed is whole: it comes back.
      await world.restore(items[0]!.crid, `check-${i}`);
      await world.said(`check-${i}`, /^\d+$/);
      await dmtcp.checkpoint('one');
    }
    const { items } = await world.dispatch.listContainers({}, { size: 1000 });
    await world.clear();
    for (const container of items) expect(leftovers(world.stateDirectory, container.uid)).to.deep.equal([]);
  });
});

describe('a build of DMTCP with forked checkpointing', function () {
  this.timeout(120_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    if (!existsSync(`${forkedPrefix}/bin/dmtcp_launch`)) {
      console.log(`      skipped: no such build in ${forkedPrefix}`);
      return this.skip();
    }
    await (await openOrSkip(this)).world.close();
    dmtcp = await openDmtcpWorld({ prefix: forkedPrefix });
  });
  after(() => dmtcp?.world.close());

  it('is found out, and used: the task runs on while its image is written, and the image is whole', async () => {
    const { world } = dmtcp;
    const level = (await world.dispatch.levels(true)).find(each => each.name === 'dmtcp');
    expect(level?.fingerprint?.findings.find(each => each.key === 'dmtcp-forked')?.value).to.equal('yes');
    await dmtcp.run('one', counter);
    await world.said('one', /^3$/);
    for (let i = 0; i < 2; i++) {
      const { crid } = await dmtcp.checkpoint('one');
      await world.restore(crid, `copy-${i}`);
      await world.said(`copy-${i}`, /^\d+$/);
      expect(Number((await world.output(`copy-${i}`))[0])).to.be.greaterThan(2);
    }
  });
});
