import { expect } from 'chai';
import { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { SAMPLE_LEVELS, sampleCheckpoint, sampleContainer } from '../api/scripted-dispatch.js';
import { startTestService } from '../api/test-service.js';
import { runCli } from './run-cli.js';

const CRID = '01K4XZ6Q0V9J3T8W2R5YB7N1C1';

describe('the command line where something is wrong', () => {
  it('exits 2 for wrong usage, with a hint', async () => {
    for (const argv of [
      ['nonsense'],
      ['run'],
      ['ps', '--nonsense'],
      ['run', '--memory', 'lots', 'x'],
      ['run', '-d', '--rm', 'x'],
    ]) {
      const { code, stderr } = await runCli('unix:/nonexistent', argv);
      expect([argv.join(' '), code]).to.deep.equal([argv.join(' '), 2]);
      expect(stderr).to.match(/error: /);
    }
  });

  it('exits 0 for --help, which explains every verb', async () => {
    const { code, stdout } = await runCli('unix:/nonexistent', ['--help']);
    expect(code).to.equal(0);
    for (const verb of ['run', 'ps', 'checkpoint', 'fork', 'doctor', 'serve'])
      expect(stdout).to.contain(verb);
  });

  it('says how to start the service where there is none, and exits 1', async () => {
    const { code, stderr } = await runCli('unix:/nonexistent/p.sock', ['ps']);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^No service answers at unix:\/nonexistent\/p\.sock\.\n {2}required: a running service\n/,
    );
    expect(stderr).to.match(/what to do: Start the service: portlayer serve/);
  });

  it('prints an error’s message, what was required and found, and what to do', async () => {
    const details = { required: 'r', found: 'f', remedy: 'Do it.' };
    await using service = await startTestService({
      getContainer: async () => Promise.reject(new PortLayerError('WRONG_STATE', 'Not now.', details)),
      startContainer: async (_id, name) =>
        name === 'bad' ? Promise.reject(new PortLayerError('NOT_FOUND', 'No bad.')) : sampleContainer(name),
    });
    const { code, stderr } = await runCli(service.address, ['inspect', 'x']);
    expect([code, stderr]).to.deep.equal([
      1,
      'Not now.\n  required: r\n  found:    f\n  what to do: Do it.\n',
    ]);
    const several = await runCli(service.address, ['start', 'bad', 'good']);
    expect(several).to.deep.equal({ code: 1, stdout: 'good\n', stderr: 'No bad.\n' });
  });

  it('inspect falls back to a checkpoint where there is no such container', async () => {
    await using service = await startTestService({
      getContainer: async () => Promise.reject(new PortLayerError('NOT_FOUND', 'No container.')),
      getCheckpoint: async id => sampleCheckpoint(id),
    });
    const { stdout } = await runCli(service.address, ['inspect', CRID]);
    expect(JSON.parse(stdout)).to.have.property('crid', CRID);
  });

  it('doctor looks from here where no service runs', async () => {
    const local = {
      doctor: async () => SAMPLE_LEVELS,
      leftBehind: async (_: unknown, sweep: boolean) => [
        { kind: 'cgroup', id: sweep ? '/gone' : '/sys/fs/cgroup/portlayer/01' },
      ],
    };
    const { code, stdout, stderr } = await runCli('unix:/nonexistent/p.sock', ['doctor'], { local });
    expect(code).to.equal(0);
    expect(stdout).to.contain('executor      process');
    expect(stderr).to.contain('looking from here');
    expect(stdout).to.match(/\n {2}cgroup: \/sys\/fs\/cgroup\/portlayer\/01\n {2}remove it: .*--sweep\n$/);
    const swept = await runCli('unix:/nonexistent/p.sock', ['doctor', '--sweep'], { local });
    expect(swept.stdout).to.equal('removed cgroup: /gone\n');
  });

  it('serve, demo and doctor --rebuild hand over to the local service', async () => {
    const seen: unknown[] = [];
    const local = {
      serve: async (options: unknown) => void seen.push(options),
      demo: async (argv: readonly string[]) => seen.push(argv) && 4,
      rebuild: async (stateDir?: string) => {
        seen.push(stateDir);
        return { containers: 1, checkpoints: 2, problems: [] };
      },
    };
    await runCli('unix:/x', ['serve', '--state-dir', '/s', '--listen', 'unix:/l'], { local });
    expect((await runCli('unix:/x', ['demo', 'a', '--b'], { local })).code).to.equal(4);
    const { stdout } = await runCli('unix:/x', ['doctor', '--rebuild'], { local });
    expect(stdout).to.equal('Found 2 checkpoints and 1 container.\n');
    expect(seen).to.deep.equal([{ stateDir: '/s', listen: ['unix:/l'] }, ['a', '--b'], undefined]);
  });

  it('run sends SIGINT at the first Ctrl-C and leaves the container at the second', async () => {
    let press = () => {};
    const kills: string[] = [];
    await using service = await startTestService({
      killContainer: async (_id, name, signal) => {
        kills.push(signal);
        setTimeout(press, 5);
        return sampleContainer(name);
      },
      waitContainer: async (_name, signal) => {
        setTimeout(press, 5);
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      },
    });
    const { code, stderr } = await runCli(service.address, ['run', '--name', 'web', '--rm', 'x'], {
      interrupt: play => {
        press = play;
      },
    });
    expect([code, kills]).to.deep.equal([130, ['SIGINT']]);
    expect(stderr).to.contain('web runs on.');
    expect(service.calls.map(call => call.method)).not.to.include('removeContainer');
  });

  it('a guest’s words do not steer the terminal', async () => {
    await using service = await startTestService({
      listContainers: async () => {
        const container = sampleContainer();
        const task = { ...container.spec.task, argv: ['\x1b[31mred\n'] };
        return { items: [{ ...container, spec: { ...container.spec, task } }] };
      },
    });
    const { stdout } = await runCli(service.address, ['ps']);
    expect(stdout).not.to.contain('\x1b');
    expect(stdout.trim().split('\n')).to.have.lengthOf(2);
  });
});
