import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkConfigFile } from '../../../../portlayer/check-config-file.js';
import { sshEnvironment } from '../../../../portlayer/environments/ssh/plugin.js';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import type { EnvironmentPlugin } from '../../../../portlayer/plugin/environment.js';
import { readConfig } from '../../../../portlayer/read-config.js';

describe('a configuration file', () => {
  let directory: string;
  const plugin = {
    name: 'process',
    apiVersion: 1,
    configSchema: {
      type: 'object',
      additionalProperties: false,
      properties: { disk: { enum: ['auto', 'copy'] } },
    },
  };
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-config-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function read(text: string) {
    const path = join(directory, 'config.yaml');
    await writeFile(path, text);
    const config = await readConfig(path, ['process']);
    checkConfigFile(config, [plugin], [sshEnvironment as EnvironmentPlugin]);
    return config;
  }
  async function refused(text: string): Promise<PortLayerError> {
    const caught = await read(text).catch((error: unknown) => error);
    if (!(caught instanceof PortLayerError)) throw new Error('it was taken');
    return caught;
  }

  it('may be YAML', async () => {
    const config = await read(
      [
        '# hosts',
        'process: {disk: copy}',
        'environments:',
        '  there:',
        '    kind: ssh',
        '    host: build-2',
        '',
      ].join('\n'),
    );
    expect(config.environments.there).to.deep.equal({ kind: 'ssh', host: 'build-2' });
    expect(config.plugins).to.deep.equal({ process: { disk: 'copy' } });
  });

  for (const [what, text, place, field] of [
    [
      'a value out of bounds',
      'environments:\n  there:\n    kind: ssh\n    host: a\n    port: 99999\n',
      '5:5',
      'environments.there.port',
    ],
    [
      'a misspelt field',
      'environments:\n  there:\n    kind: ssh\n    host: a\n    hots: b\n',
      '5:5',
      'environments.there.hots',
    ],
    ['a field that is missing', 'environments:\n  there:\n    kind: ssh\n', '2:3', 'environments.there.host'],
    ['a plugin that there is not', 'process: {}\nproces: {}\n', '2:1', 'proces'],
    ['a bad setting of a plugin', '{\n "process": {\n  "disk": "tape"}}', '3:3', 'process.disk'],
    [
      'a plugin of one environment',
      'environments:\n  there:\n    kind: ssh\n    host: a\n    plugins:\n      process:\n        disk: tape\n',
      '7:9',
      'environments.there.plugins.process.disk',
    ],
  ] as const) {
    it(`tells the line of ${what}`, async () => {
      const error = await refused(text);
      expect(error.code).to.equal('INVALID_SPEC');
      expect(error.message).to.contain(`config.yaml:${place}:`);
      expect(error.facts.field).to.equal(field);
      expect(error.remedy).to.not.equal(undefined);
    });
  }

  it('tells the line where it is no YAML at all, and where a key is there twice', async () => {
    expect((await refused('process:\n  - a\n b: [\n')).message).to.match(/config\.yaml:\d+:\d+/);
    expect((await refused('process: {}\nprocess: {}\n')).message).to.contain('config.yaml:2:1');
    expect((await refused('- a\n')).found).to.equal('no object');
  });
});
