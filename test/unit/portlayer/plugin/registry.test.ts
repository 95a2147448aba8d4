import { expect } from 'chai';
import { fakePlugin } from '../../../../executors/fake/plugin.js';
import { createFakeWorld } from '../../../../executors/fake/world.js';
import type { Environment } from '../../../../portlayer/plugin/environment.js';
import type { ExecutorPlugin } from '../../../../portlayer/plugin/executor.js';
import { createRegistry } from '../../../../portlayer/plugin/registry.js';

function place(name: string, looks: { count: number }): Environment {
  return {
    name,
    kind: 'local',
    capabilities: ['host'],
    async *fingerprint() {
      looks.count += 1;
      yield { level: 'environment', name, health: 'healthy', description: 'a test', findings: [] };
    },
    async [Symbol.asyncDispose]() {},
  };
}

describe('the registry', () => {
  const looks = { count: 0 };
  const options = {
    environments: [place('one', looks)],
    executors: [fakePlugin(createFakeWorld())],
    loaders: [],
    config: {},
    log: () => {},
  };
  const refused = (more: object): Promise<unknown> =>
    createRegistry({ ...options, ...more }).catch(caught => caught);

  it('makes each executor in each environment whose kind it works in', async () => {
    const elsewhere = { ...fakePlugin(createFakeWorld()), name: 'other', environments: ['ssh'] };
    const registry = await createRegistry({ ...options, executors: [...options.executors, elsewhere] });
    expect(registry.executors().map(e => [e.environment, e.executor.name])).to.deep.equal([['one', 'fake']]);
  });

  it('refuses an unknown name, naming those there are', async () => {
    const registry = await createRegistry(options);
    expect(() => registry.executor('one', 'nope'))
      .to.throw()
      .that.includes({ code: 'INVALID_SPEC', required: 'one of fake' });
    expect(() => registry.environment('two'))
      .to.throw()
      .that.includes({ code: 'INVALID_SPEC', found: 'two' });
  });

  it('refuses two plugins of one name, a plugin of another version, and a configuration that does not fit', async () => {
    const twice = { executors: [...options.executors, ...options.executors] };
    expect(await refused(twice)).to.include({ code: 'INVALID_SPEC', found: 'fake' });
    const newer = { executors: [{ ...options.executors[0], apiVersion: 2 } as unknown as ExecutorPlugin] };
    expect(await refused(newer)).to.include({ code: 'INVALID_SPEC', required: 'apiVersion 1' });
    expect(await refused({ config: { fake: { unknown: 1 } } })).to.have.nested.property(
      'facts.field',
      'unknown',
    );
  });

  it('looks at a host once, and again only when it is asked to', async () => {
    const registry = await createRegistry(options);
    looks.count = 0;
    await registry.survey(false);
    await registry.survey(false);
    expect(looks.count).to.equal(1);
    await registry.survey(true);
    expect(looks.count).to.equal(2);
  });
});
