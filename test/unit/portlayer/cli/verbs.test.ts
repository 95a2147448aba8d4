import { expect } from 'chai';
import { NOW_MS } from '../api/scripted-dispatch.js';
import { startTestService, type TestService } from '../api/test-service.js';
import { runCli } from './run-cli.js';

const CRID = '01K4XZ6Q0V9J3T8W2R5YB7N1C1';

describe('the verbs of the command line', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService({
      waitContainer: async name => ({
        code: name === 'web' ? 7 : 0,
        signal: 0,
        oomKilled: false,
        reason: 'failed',
        atMs: NOW_MS,
      }),
    });
  });
  after(() => service[Symbol.asyncDispose]());
  beforeEach(() => {
    service.calls.length = 0;
  });
  const cli = (...argv: string[]) => runCli(service.address, argv);
  const arrived = () => service.calls.map(({ method, args }) => [method, ...args]);

  it('ps prints a table without borders', async () => {
    const { code, stdout } = await cli('ps');
    expect(stdout.split('\n')).to.deep.equal([
      'NAME   STATE     EXECUTOR   ITERATION   AGE   EXIT   COMMAND',
      ...Array(1).fill('web    running   fake       3           2m    -      /bin/loop --fast'),
      '',
    ]);
    expect(code).to.equal(0);
  });

  it('ps lists running ones, with -a all', async () => {
    await cli('ps', '--label', 'a');
    await cli('ps', '-a');
    const running = ['starting', 'running', 'paused', 'iterating', 'stopping'];
    expect(service.calls[0]?.args[0]).to.deep.equal({ states: running, labels: { a: '' } });
    expect(service.calls.at(-1)?.args[0]).to.deep.equal({ labels: {} });
  });

  it('ps -q prints names, and takes the common options before and after the verb', async () => {
    expect((await cli('ps', '-q')).stdout).to.equal('web\n');
    expect((await cli('-q', 'ps')).stdout).to.equal('web\n');
  });

  it('ps cuts the command to the terminal, never the name', async () => {
    const { stdout } = await runCli(service.address, ['ps'], { columns: 58 });
    expect(stdout.split('\n')[1]).to.equal('web    running   fake       3           2m    -      /bin…');
    const narrow = await runCli(service.address, ['ps'], { columns: 20 });
    expect(narrow.stdout).to.contain('/bin/loop --fast');
  });

  it('ps --output json is a stable array', async () => {
    const { stdout } = await cli('ps', '--output', 'json');
    const [container] = JSON.parse(stdout) as Record<string, unknown>[];
    expect(Object.keys(container ?? {})).to.deep.equal([
      'uid',
      'state',
      'generation',
      'spec',
      'createdAt',
      'startedAt',
      'restoredFrom',
      'head',
      'iteration',
      'boundCpus',
      'layers',
    ]);
    expect(container?.createdAt).to.equal('2026-01-02T03:04:05.678Z');
  });

  it('run attaches: output to its own streams, and the exit code is the task’s', async () => {
    const { code, stdout, stderr } = await cli('run', '--name', 'web', '--rm', '--', './task', '-x');
    expect(stdout).to.equal('hello\n');
    expect(stderr).to.equal('part');
    expect(code).to.equal(7);
    expect(service.calls.map(call => call.method)).to.deep.equal([
      'createContainer',
      'startContainer',
      ...service.calls.slice(2, 5).map(call => call.method),
      'removeContainer',
    ]);
  });

  it('run makes a spec of its options', async () => {
    const options =
      '-d --name w -l a=b -e A=1 -v /s:/t:ro -v d:/d -w /w -u 5:6 --cpus 0.5 -m 512m --pids-limit 9 --network none --hostname h ' +
      '--executor fake --loader init --environment local --checkpoint-exit 85 --complete-exit 0 --checkpoint-signal SIGUSR1 ' +
      '--checkpoint-timeout 2s --max-iterations 5 --max-duration 1h --no-trigger --log-max-size 1m';
    const { code, stdout } = await cli('run', ...options.split(' '), './task', '--name', 'x', '-d');
    expect([code, stdout]).to.deep.equal([0, 'web\n']);
    expect(service.calls[0]?.args[1]).to.deep.equal({
      name: 'w',
      labels: { a: 'b' },
      environment: 'local',
      executor: 'fake',
      loader: 'init',
      task: {
        argv: ['/home/me/task', '--name', 'x', '-d'],
        env: { A: '1' },
        cwd: '/w',
        user: { uid: 5, gid: 6 },
        exitCode: {
          checkpoint: 85,
          complete: 0,
          signal: 'SIGUSR1',
          signalTimeoutMs: 2000,
          maxIterations: 5,
          maxDurationMs: 3_600_000,
        },
      },
      hostname: 'h',
      volumes: [
        { source: '/s', target: '/t', readOnly: true },
        { source: '/home/me/d', target: '/d', readOnly: false },
      ],
      resources: { cpus: 0.5, memoryBytes: 536_870_912, pids: 9 },
      network: 'none',
      log: { maxBytes: 1_048_576 },
      trigger: { allow: false, mechanisms: [] },
    });
  });

  it('create makes a name, and leaves a relative command alone where there is a root file system', async () => {
    await cli('create', '--rootfs', 'base', 'bin/x');
    await cli('create', 'true');
    const [first, second] = service.calls.map(
      call => call.args[1] as { name: string; rootfs?: string; task: { argv: string[] } },
    );
    expect(first?.task.argv).to.deep.equal(['bin/x']);
    expect(first?.rootfs).to.equal('/home/me/base');
    expect(second?.task.argv).to.deep.equal(['true']);
    expect(first?.name)
      .to.match(/^[a-z]+-[a-z]+-[0-9a-f]{4}$/)
      .and.not.equal(second?.name);
  });

  it('start, stop, kill, rm, pause and unpause take names and print them', async () => {
    expect((await cli('start', 'a', 'b')).stdout).to.equal('a\nb\n');
    await cli('stop', '-t', '1500ms', 'a');
    await cli('kill', '-s', 'SIGUSR1', 'a');
    await cli('rm', '-f', 'a');
    await cli('pause', 'a');
    await cli('unpause', 'a');
    expect(arrived().map(([method, , ...rest]) => [method, ...rest])).to.deep.equal([
      ['startContainer', 'a'],
      ['startContainer', 'b'],
      ['stopContainer', 'a', 1500],
      ['killContainer', 'a', 'SIGUSR1'],
      ['removeContainer', 'a', true],
      ['bindContainer', 'a', { cpus: 0 }],
      ['bindContainer', 'a', {}],
    ]);
    expect(JSON.parse((await cli('rm', 'a', '--output', 'json')).stdout)).to.deep.equal([{ name: 'a' }]);
  });

  it('wait prints the codes and exits with the last', async () => {
    expect(await cli('wait', 'a', 'web')).to.deep.include({ code: 7, stdout: '0\n7\n' });
    const json = JSON.parse((await cli('wait', 'web', '--output', 'json')).stdout) as unknown[];
    expect(json).to.deep.equal([
      {
        name: 'web',
        code: 7,
        signal: 0,
        oomKilled: false,
        reason: 'failed',
        message: '',
        at: '2026-01-02T03:04:05.678Z',
      },
    ]);
  });

  it('logs keeps the streams apart, and as JSON has a line for each entry', async () => {
    expect(await cli('logs', '-t', 'web')).to.deep.include({
      stdout: '2026-01-02T03:04:05.678Z hello\n',
      stderr: '2026-01-02T03:04:05.678Z part',
    });
    const lines = (await cli('logs', 'web', '--tail', '3', '--output', 'json')).stdout.trim().split('\n');
    expect(lines.map(line => JSON.parse(line) as unknown)).to.deep.equal([
      { stream: 'stdout', at: '2026-01-02T03:04:05.678Z', text: 'hello', endsLine: true },
      { stream: 'stderr', at: '2026-01-02T03:04:05.678Z', text: 'part', endsLine: false },
    ]);
    expect(service.calls.at(-1)?.args).to.deep.equal(['web', { follow: false, tail: 3 }]);
  });

  it('exec passes stdin on with -i and exits with the command’s code', async () => {
    const result = await runCli(service.address, ['exec', '-i', 'web', 'cat', '-n'], { stdin: 'in' });
    expect(result).to.deep.equal({ code: 3, stdout: 'in', stderr: 'cat -n' });
    expect((await cli('exec', 'web', 'true')).stdout).to.equal('');
  });

  it('update keeps the labels and limits that it does not name', async () => {
    await cli('update', 'web', '-l', 'b=2', '--label-rm', 'app', '--cpus', '2');
    expect(service.calls.at(-1)?.args.slice(1)).to.deep.equal([
      'web',
      7,
      { labels: { b: '2' }, resources: { cpus: 2, memoryBytes: 536_870_912, pids: 64 } },
    ]);
  });

  it('events prints one line for each', async () => {
    expect((await cli('events')).stdout).to.equal('5 2026-01-02T03:04:05.678Z container web running a=b\n');
    expect(service.calls[0]?.args).to.deep.equal([1, false]);
    await cli('events', '--follow');
    expect(service.calls[1]?.args).to.deep.equal([0, true]);
    const json = JSON.parse((await cli('events', '--output', 'json')).stdout) as unknown;
    expect(json).to.deep.equal({
      sequence: 5,
      at: '2026-01-02T03:04:05.678Z',
      subject: 'container',
      id: 'web',
      type: 'running',
      facts: { a: 'b' },
    });
  });

  it('inspect shows a container', async () => {
    expect(JSON.parse((await cli('inspect', 'web')).stdout)).to.have.nested.property('spec.name', 'web');
  });

  it('checkpoint create prints the id; on a terminal it shows the states', async () => {
    expect(await cli('checkpoint', 'create', 'web')).to.deep.include({
      code: 0,
      stdout: `${CRID}\n`,
      stderr: '',
    });
    const { stderr } = await runCli(service.address, ['checkpoint', 'create', 'web'], { terminal: true });
    expect(stderr).to.contain('requested → dumping → captured → committed\n');
  });

  it('checkpoint ls prints a table of all ids in full', async () => {
    const { stdout } = await cli('checkpoint', 'ls');
    expect(stdout.split('\n')).to.deep.equal([
      'CRID                         CONTAINER   MECHANISM   STATE       SIZE      PUBLISHED   PARENT                       AGE',
      `${CRID}   web         exit-code   committed   1.2 MiB   web:warm    01K4XZ6Q0V9J3T8W2R5YB7N1C0   2m`,
      '',
    ]);
    expect((await cli('checkpoint', 'ls', '-q')).stdout).to.equal(`${CRID}\n`);
    const [json] = JSON.parse((await cli('checkpoint', 'ls', '--output', 'json')).stdout) as object[];
    expect(Object.keys(json ?? {})).to.include.members([
      'crid',
      'state',
      'bytes',
      'published',
      'createdAt',
      'phases',
      'spec',
    ]);
  });

  it('checkpoint tree draws the lineage', async () => {
    const { stdout } = await cli('checkpoint', 'tree');
    const plain = stdout.replace(/[├└]─/g, '+').replace(/[|`]-/g, '+').replace(/→|->/g, '>');
    expect(plain.split('\n')).to.deep.equal([
      '01K4XZ6Q0V9J3T8W2R5YB7N1C0  web  exit-code  committed  #3  1.2 MiB  2m  [web:warm]',
      '+ > web-f1 (gone)',
      `+ ${CRID}  web  exit-code  committed  #3  1.2 MiB  2m  [web:warm]`,
      '',
    ]);
  });

  it('publish, unpublish, rm and commit name the checkpoint', async () => {
    expect((await cli('checkpoint', 'publish', CRID, 'web:warm', '--move')).stdout).to.equal('web:warm\n');
    await cli('checkpoint', 'unpublish', CRID);
    await cli('checkpoint', 'rm', '-f', CRID);
    await cli('checkpoint', 'commit', CRID);
    await cli('checkpoint', 'inspect', CRID);
    expect(
      arrived().map(each => each.filter((_, index) => index !== 1 || each[0] === 'getCheckpoint')),
    ).to.deep.equal([
      ['publishCheckpoint', CRID, 'web:warm', true],
      ['publishCheckpoint', CRID, '', false],
      ['removeCheckpoint', CRID, true],
      ['commitCheckpoint', CRID],
      ['getCheckpoint', CRID],
    ]);
  });

  it('run of a published name restores it, and takes nothing that the checkpoint has already', async () => {
    expect(await cli('run', '-d', '--name', 'b', 'web:warm')).to.deep.include({ code: 0, stdout: 'web\n' });
    expect(arrived().at(-1)).to.deep.include({
      checkpoint: 'web:warm',
      name: 'b',
      inPlace: false,
      labels: {},
    });
    for (const stray of [
      ['-e', 'A=1', 'web:warm'],
      ['--memo', 'web:warm'],
      ['web:warm', 'argument'],
    ]) {
      const { code, stderr } = await cli('run', '-d', ...stray);
      expect(code).to.equal(1);
      expect(stderr).to.contain('web:warm is a checkpoint');
    }
  });

  it('checkpoint create --dry-run shows what would be used, and takes none', async () => {
    const { code, stdout } = await cli(
      'checkpoint',
      'create',
      'web',
      '--keep',
      'process',
      '--max-pause',
      '100ms',
      '--dry-run',
    );
    expect(code).to.equal(0);
    expect(stdout).to.match(/MECHANISM +LEVEL +CHOSEN +KEEPS +RESTORE +PAUSE +TIME +SIZE +WHY/);
    expect(stdout).to.match(/criu +executor +yes +process +elsewhere +40 ms \(20 ms to 80 ms\)/);
    expect(arrived()).to.deep.equal([
      ['planCheckpoint', 'web', undefined, { keep: 'process', maxPauseMs: 100 }],
    ]);
    expect((await cli('checkpoint', 'create', 'web', '--captured', '--committed')).code).to.equal(2);
  });

  it('checkpoint check exits 1 where it does not fit, and says what to do; targets lists every place', async () => {
    const check = await cli('checkpoint', 'check', 'web:warm', '--on', 'build-2');
    expect(check.code).to.equal(1);
    expect(check.stdout).to.match(/environment +kernel +at-least +6\.1 +5\.10\.0 +UNMET/);
    expect(check.stderr).to.contain('what to do: Bring kernel from 5.10.0 to 6.1 or newer.');
    const targets = await cli('checkpoint', 'targets', 'web:warm');
    expect(targets.stdout).to.match(/local +no +environment kernel +Bring kernel/);
    expect(targets.stdout).to.contain('It cannot be used: no answer');
  });

  it('restore prints the name', async () => {
    expect(await cli('restore', CRID, '--name', 'b')).to.deep.include({ code: 0, stdout: 'web\n' });
  });

  it('fork prints each copy, complains of each that failed, and exits 1 then', async () => {
    const { code, stdout, stderr } = await cli('fork', 'web', '-n', '2');
    expect([code, stdout]).to.deep.equal([1, 'web-f1   running\n']);
    expect(stderr).to.equal('web-f2: No room.\n  what to do: Free space.\n');
    expect((await cli('fork', '-q', 'web:warm')).stdout).to.equal('web-f1\n');
    expect(service.calls.at(-1)?.args[1]).to.deep.include({ source: { checkpoint: 'web:warm' } });
  });

  it('doctor shows below each level what is missing and the command that adds it', async () => {
    const { stdout } = await cli('doctor');
    expect(stdout.split('\n')).to.deep.equal([
      'LEVEL         NAME      HEALTH     CAN',
      'environment   local     healthy    run',
      '  This Linux host.',
      'executor      process   degraded   run',
      '  Runs tasks in namespaces.',
      '  cgroup-freezer: cgroup v2 is not mounted (without it: no bind)',
      '    add it: mount -t cgroup2 none /sys/fs/cgroup',
      '',
    ]);
  });

  it('doctor names what killed runs left behind, and has the service remove it', async () => {
    const asked: boolean[] = [];
    await using service = await startTestService({
      async *collectGarbage(dryRun) {
        asked.push(dryRun);
        yield { kind: 'process', id: '4711 redis-server', bytes: 0 };
        yield { kind: 'data', id: CRID, bytes: 4096 };
      },
    });
    const looked = await runCli(service.address, ['doctor']);
    expect(looked.stdout).to.contain('Left behind by runs that were killed:\n  process: 4711 redis-server\n');
    expect(looked.stdout).not.to.contain(CRID);
    const swept = await runCli(service.address, ['doctor', '--sweep']);
    expect(swept.stdout).to.equal('removed process: 4711 redis-server\n');
    expect(asked).to.deep.equal([true, false]);
  });

  it('capabilities shows what a container’s levels can do together', async () => {
    const { stdout } = await cli('capabilities', 'web');
    expect(stdout).to.match(/bind +executor +process +no: cgroup-freezer: no/);
    expect(stdout).to.match(/exit-code +task +yes +disk +elsewhere +- +- +- +the task has it/);
    expect((await cli('capabilities')).stdout).to.match(/executor +process +degraded/);
  });
});
