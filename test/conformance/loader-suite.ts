import assert from 'node:assert/strict';
import { compileContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { Loader } from '../../portlayer/plugin/loader.js';
import { deadline } from './bench.js';

/** What a loader's author brings. */
export interface LoaderSubject {
  readonly loader: Loader;
  readonly host?: Host;
}

/** Puts one loader through what `portlayer/plugin/loader.ts` promises. */
export function loaderSuite(name: string, subject: () => Promise<LoaderSubject>): void {
  describe(`loader ${name}`, () => {
    let made: LoaderSubject;
    before(async () => {
      made = await subject();
    });
    const spec = compileContainerSpec({
      name: 'c',
      network: 'none',
      task: { argv: ['sh', '-c', 'x y'], env: { A: 'b c', PATH: '/only' } },
    });

    it('plans purely: the same spec, the same plan, and the spec as it was', async () => {
      const before = structuredClone(spec);
      assert.deepEqual(await made.loader.plan(spec, made.host), await made.loader.plan(spec, made.host));
      assert.deepEqual(spec, before);
    });

    it("keeps the task's own arguments and environment", async () => {
      const plan = await made.loader.plan(spec, made.host);
      assert.deepEqual(plan.argv.slice(-3), ['sh', '-c', 'x y']);
      assert.equal(plan.env.A, 'b c');
      assert.equal(plan.env.PATH, '/only');
    });

    it('gives a PATH with the guest tool where the task has none', async () => {
      const plain = compileContainerSpec({ name: 'c', network: 'none', task: { argv: ['x'] } });
      const { env } = await made.loader.plan(plain, made.host);
      assert.match(env.PATH ?? '', /^\/run\/portlayer\/bin:/);
    });

    it('claims a checkpoint capability exactly where it has the facet', () => {
      const tags = made.loader.capabilities.filter(tag => tag.startsWith('checkpoint:'));
      assert.deepEqual(tags, made.loader.checkpoint ? [`checkpoint:${made.loader.checkpoint.name}`] : []);
    });

    it('tells a fingerprint of its level', async () => {
      const print = await made.loader.fingerprint(made.host, deadline());
      assert.deepEqual([print.level, print.name], ['loader', made.loader.name]);
      assert.notEqual(print.description, '');
    });
  });
}
