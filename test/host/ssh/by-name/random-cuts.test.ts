import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { whyNoSshd } from '../sshd.js';
import { openTwoHosts, type TwoHosts } from '../two-hosts.js';

const CUTS = 100;
const marker = 86_531;

describe(`${CUTS} cuts at random moments`, function () {
  this.timeout(1_200_000);
  let hosts: TwoHosts;
  before(async function () {
    const reason = whyNoSshd();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    hosts = await openTwoHosts({ patienceMs: 20_000 });
  });
  after(() => hosts?.close());

  it('lose no container, make none twice, and leave nothing behind', async () => {
    const { world, a } = hosts;
    const { dispatch } = world;
    const environment = 'a';
    const spec = (name: string) => ({
      name,
      environment,
      executor: 'process',
      task: { argv: ['sleep', String(marker)] },
    });
    const failures = new Map<string, number>();
    const names = new Set<string>();
    const seed = Number(process.env.PORTLAYER_TEST_SEED ?? Date.now() % 1_000_000);
    console.log(`      seed ${seed}`);
    const random = generator(seed);
    for (let i = 0; i < CUTS; i++) {
      const name = `c${Math.floor(random() * 8)}`;
      const there = names.has(name);
      const operations: (() => Promise<unknown>)[] = there
        ? [
            () => dispatch.stopContainer('', name, 200),
            () => dispatch.startContainer('', name),
            async () => {
              await dispatch.removeContainer('', name, true);
              names.delete(name);
            },
            () => world.exec(name, 'true'),
          ]
        : [
            async () => {
              names.add(name);
              await dispatch.createContainer('', spec(name));
              await dispatch.startContainer('', name);
            },
          ];
      const operation = operations[Math.floor(random() * operations.length)] as () => Promise<unknown>;
      const done = operation().catch((caught: unknown) => {
        const { code } = PortLayerError.from(caught);
        failures.set(code, (failures.get(code) ?? 0) + 1);
        // In a state that an earlier cut has left, or cut: each is said, none is a defect.
        assert.ok(
          ['EXECUTOR_UNAVAILABLE', 'WRONG_STATE', 'CANCELED', 'NOT_FOUND'].includes(code),
          `${code}: ${String(caught)}`,
        );
      });
      await sleep(random() * 120);
      a.cut();
      await done;
    }
    console.log(`      failures: ${[...failures].map(([code, count]) => `${code} ${count}`).join(', ')}`);
    // What is known to run runs, once; what is not known runs nowhere.
    const until = Date.now() + 60_000;
    for (;;) {
      const { items } = await dispatch.listContainers({ states: ['running'] }, { size: 100 });
      const running = count(`^sleep ${marker}$`);
      if (items.length === running) break;
      assert.ok(Date.now() < until, `${items.length} containers are known to run, ${running} do`);
      await sleep(250);
    }
    for (const name of names) await dispatch.removeContainer('', name, true);
    assert.equal(count(`^sleep ${marker}$`), 0);
  });
});

function count(pattern: string): number {
  try {
    return Number(execFileSync('pgrep', ['-fc', pattern], { encoding: 'utf8' }).trim());
  } catch {
    return 0;
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
