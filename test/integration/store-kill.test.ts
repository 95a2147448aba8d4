import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../portlayer/package-root.js';
import { openImageStore } from '../../portlayer/store/image-store.js';
import { dumpOf } from './store-dump.js';

/** How often the process that works on the store is killed. */
const KILLS = Number(process.env.PORTLAYER_STORE_KILLS ?? 100);
/** From the last thing it said to its end, at most, in milliseconds. */
const LONGEST_MOMENT_MS = 60;

describe('an image store whose process is killed at random moments', function () {
  this.timeout(600_000);
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-churn-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it(`loses nothing that was committed, and lists nothing partial: ${KILLS} kills`, async () => {
    const churn = join(packageRoot(), 'dist/test/integration/store-churn.js');
    const committed = new Map<string, string>();
    const begun = new Map<string, string>();
    const counts = { committed: 0, removed: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      writeFileSync(
        join(directory, 'known'),
        [...committed].map(([crid, seed]) => `${crid} ${seed}\n`).join(''),
      );
      const child = spawn(process.execPath, [churn, directory], { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      let errors = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      child.stderr.on('data', (chunk: Buffer) => {
        errors += chunk.toString();
      });
      const closed = once(child, 'close');
      // So many things it says, then a moment: however slow the machine is, every life gets somewhere.
      for (let wanted = 2 + Math.floor(Math.random() * 3); output.split('\n').length <= wanted; )
        if ((await Promise.race([closed, once(child.stdout, 'data').then(() => 'more')])) !== 'more') break;
      await new Promise(resolve => setTimeout(resolve, Math.random() * LONGEST_MOMENT_MS));
      child.kill('SIGKILL');
      await closed;
      expect(errors, 'it works until it is killed').to.equal('');
      const removing = new Set<string>();
      for (const line of output.split('\n').slice(0, -1)) {
        const [what, crid = '', seed = ''] = line.split(' ');
        if (what === 'begun') begun.set(crid, seed);
        if (what === 'committed') {
          committed.set(crid, seed);
          removing.delete(crid);
          counts.committed += 1;
        }
        if (what !== 'removing') continue;
        begun.set(crid, committed.get(crid) ?? begun.get(crid) ?? '');
        committed.delete(crid);
        removing.add(crid);
        counts.removed += 1;
      }
      // Every tenth time all of it is looked at, and every time what is listed.
      const listed = new Set(readdirSync(join(directory, 'store', 'checkpoints')));
      for (const crid of committed.keys()) expect(listed.has(crid), `${crid} was lost`).to.equal(true);
      if (kill % 10 === 9 || kill === KILLS - 1) await checkAll(directory, committed, begun);
    }
    console.log(`      ${counts.committed} commits, ${counts.removed} removals over ${KILLS} kills`);
    expect(counts.committed).to.be.greaterThan(KILLS / 8);
  });
});

/** Whatever is listed is whole and holds what it held, also what was being removed or had not been told to be committed. */
async function checkAll(
  directory: string,
  committed: Map<string, string>,
  begun: ReadonlyMap<string, string>,
): Promise<void> {
  const store = await openImageStore(join(directory, 'store'));
  try {
    for (const crid of await store.list()) {
      const seed = committed.get(crid) ?? begun.get(crid);
      expect(seed, `${crid} is known`).not.to.equal(undefined);
      committed.set(crid, seed!);
      await store.verify(crid);
      await store.evict(crid);
      const held = await store.hold(crid);
      expect(
        readFileSync(join(held.directory, 'ram')).equals(dumpOf(Number(seed))),
        `${crid} holds what it held`,
      ).to.equal(true);
      held.release();
      await store.evict(crid);
    }
  } finally {
    await store[Symbol.asyncDispose]();
  }
}
