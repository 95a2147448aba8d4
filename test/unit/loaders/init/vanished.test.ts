import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { build, Monitored, monitored, type Place, whyNot } from './monitored.js';

describe('the end of an init that could not tell its own', function () {
  this.timeout(30_000);
  before(build);

  for (const place of ['root', 'unprivileged', 'no namespaces'] satisfies Place[]) {
    it(`is told as a SIGKILL from outside, in the place "${place}"`, async function () {
      if (whyNot(place) !== undefined) return this.skip();
      await using container = monitored({ place, script: 'echo up; sleep 100' });
      await container.printed('up');
      using control = await container.control();
      await control.next('STARTED');
      process.kill(initOf(container), 'SIGKILL');
      expect(await container.exited()).to.include({ code: '137', signal: '9', failure: '' });
      expect(await container.exited()).not.to.have.property('oom');
    });
  }

  it('is not made up where the task ends with 1, or the set-up fails', async function () {
    if (whyNot('root') !== undefined) return this.skip();
    await using one = monitored({ place: 'root', script: 'exit 1' });
    expect(await one.exited()).to.include({ code: '1', signal: '0' });
    await using absent = monitored({ place: 'root', script: '', argv: ['/no/such'] });
    expect(await absent.exited()).to.include({ code: '127', signal: '0' });
    await using refused = monitored({ place: 'root', script: 'true', init: ['--bind', '/no/such', '/mnt'] });
    expect(await refused.exited()).to.include({ code: '125', signal: '0' });
  });

  for (const [version, name, text] of [
    [2, 'memory.events', 'low 0\noom 3\noom_kill 3\noom_group_kill 0\n'],
    [1, 'memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n'],
  ] as const) {
    it(`names want of memory where the count of a cgroup of version ${version} rose, and only there`, async () => {
      const run = async (script: string) => {
        const container = new Monitored('no namespaces');
        const group = join(container.directory, 'group');
        mkdirSync(group);
        writeFileSync(join(group, name), text);
        container.start({ script, monitor: ['--memory-group', group], env: { G: join(group, name) } });
        try {
          return await container.exited();
        } finally {
          await container[Symbol.asyncDispose]();
        }
      };
      const more = 'echo "oom_kill 4" > $G';
      expect(await run(`${more}; kill -KILL $$`)).to.include({ code: '137', signal: '9', oom: '1' });
      expect(await run('kill -KILL $$')).not.to.have.property('oom');
      expect(await run(`${more}; exit 3`)).not.to.have.property('oom');
    });
  }
});

/** The child of the monitor's command, or where there are no namespaces that itself. */
function initOf(container: Monitored): number {
  const below = (pid: number) =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  const command = below(container.monitorPid!);
  const name = execFileSync('ps', ['-o', 'comm=', '-p', String(command)], { encoding: 'utf8' }).trim();
  return name === 'unshare' ? below(command) : command;
}
