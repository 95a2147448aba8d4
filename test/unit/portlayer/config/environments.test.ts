import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openEnvironments } from '../../../../portlayer/open-environments.js';
import type { EnvironmentPlugin } from '../../../../portlayer/plugin/environment.js';
import { readConfig } from '../../../../portlayer/read-config.js';

describe('environments of the configuration', () => {
  let directory: string;
  const closed: string[] = [];
  const kind: EnvironmentPlugin<{ readonly port: number }> = {
    kind: 'far',
    apiVersion: 1,
    configSchema: {
      type: 'object',
      additionalProperties: false,
      properties: { port: { type: 'integer', default: 22 } },
    },
    create: async ({ port }, { name }) => ({
      name,
      kind: 'far',
      capabilities: [`port:${port}`],
      async *fingerprint() {},
      async [Symbol.asyncDispose]() {
        closed.push(name);
      },
    }),
  };
  const services = { stateDirectory: '/nowhere', initBinary: '/nowhere/init', log: () => {} };
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-config-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));
  const read = async (config: object) => {
    const path = join(directory, 'config.json');
    await writeFile(path, JSON.stringify(config));
    return readConfig(path, ['process']);
  };
  const open = async (config: object) =>
    openEnvironments((await read(config)).environments, [kind as EnvironmentPlugin], services);
  const refused = (work: Promise<unknown>) => work.catch(caught => caught);

  it('makes each by its kind, with the defaults of its settings', async () => {
    const made = await open({
      process: {},
      environments: { a: { kind: 'far' }, b: { kind: 'far', port: 7 } },
    });
    expect(made.map(one => [one.name, one.capabilities[0]])).to.deep.equal([
      ['a', 'port:22'],
      ['b', 'port:7'],
    ]);
  });

  it('keeps the form without environments', async () => {
    expect(await read({ process: { disk: 'copy' } })).to.deep.include({
      plugins: { process: { disk: 'copy' } },
      environments: {},
    });
  });

  it('refuses a kind that there is not, and settings that do not fit, and closes what it had made', async () => {
    closed.length = 0;
    expect(
      await refused(open({ environments: { a: { kind: 'far' }, b: { kind: 'near' } } })),
    ).to.deep.include({
      code: 'INVALID_SPEC',
      required: 'one of far',
      facts: { field: 'environments.b.kind' },
    });
    expect(closed).to.deep.equal(['a']);
    const strange = await refused(open({ environments: { a: { kind: 'far', colour: 'red' } } }));
    expect(strange).to.have.nested.property('facts.field', 'colour');
    expect(strange).to.have.property('message').that.includes('environment a');
  });

  it('refuses an entry without a kind, a name that is none, and a plugin that there is not', async () => {
    expect(await refused(open({ environments: { a: {} } }))).to.include({ code: 'INVALID_SPEC' });
    expect(await refused(open({ environments: { 'a/b': { kind: 'far' } } }))).to.include({
      code: 'INVALID_SPEC',
    });
    const stray = await refused(open({ environments: { a: { kind: 'far', plugins: { nope: {} } } } }));
    expect(stray).to.have.nested.property('facts.field', 'environments.a.plugins.nope');
  });
});
