import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { BIN } from './service-under-test.js';

const LOADER = `
export const loader = {
  name: 'shouting',
  apiVersion: 1,
  configSchema: { type: 'object', additionalProperties: false },
  create: () => ({
    name: 'shouting',
    capabilities: ['run', 'trigger'],
    fingerprint: async () => ({ level: 'loader', name: 'shouting', health: 'healthy', description: 'Shouts.', findings: [] }),
    plan: spec => ({ argv: ['/bin/sh', '-c', 'echo BEFORE; exec "$@"', 'sh', ...spec.task.argv], env: {}, bring: [], waitForAll: false }),
  }),
};`;

describe('a plugin of somebody else’s', function () {
  this.timeout(30_000);
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'pl-plugin-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is loaded by its path and used by its name', async () => {
    const { serviceUnderTest } = await import('./service-under-test.js');
    writeFileSync(join(directory, 'shouting.mjs'), LOADER);
    const service = serviceUnderTest(undefined, ['--plugin', join(directory, 'shouting.mjs')]);
    try {
      await service.start();
      const run = [
        '--address',
        service.address,
        'run',
        '--rm',
        '--loader',
        'shouting',
        '--',
        'echo',
        'after',
      ];
      const { stdout, stderr } = spawnSync(process.execPath, [BIN, ...run], { encoding: 'utf8' });
      expect(stderr + stdout).to.equal('BEFORE\nafter\n');
    } finally {
      await service.close();
    }
  });

  it('that is not there, or exports nothing of the kind, ends the start with what to do', () => {
    writeFileSync(join(directory, 'empty.mjs'), 'export const x = 1;');
    for (const [module, found] of [
      ['absent.mjs', 'Cannot find module'],
      ['empty.mjs', 'exports x'],
    ] as const) {
      const serve = ['serve', '--state-dir', join(directory, 'state'), '--plugin', join(directory, module)];
      const { status, stderr } = spawnSync(process.execPath, [BIN, ...serve], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      expect(status).to.equal(1);
      expect(stderr).to.contain(found).and.to.contain('what to do:');
    }
  });

  it('is configured by a file, whose every mistake is named', () => {
    const config = join(directory, 'config.json');
    const doctor = (text: string): { status: number | null; stdout: string; stderr: string } => {
      writeFileSync(config, text);
      const args = [
        'doctor',
        '--state-dir',
        join(directory, 'state'),
        '--address',
        'unix:/nonexistent',
        '--config',
        config,
      ];
      return spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
    };
    expect(doctor('{"process": {"disk": "copy"}}').stdout).to.contain('disk: copy');
    for (const [text, found] of [
      ['{"process": ', 'cannot be used'],
      ['[]', 'no object'],
      ['{"nope": {}}', 'there is no plugin nope'],
      ['{"process": {"disk": "tape"}}', 'disk must be one of'],
    ] as const) {
      const { status, stderr } = doctor(text);
      expect(status).to.equal(1);
      expect(stderr).to.contain(found).and.to.contain('what to do:');
    }
  });
});
