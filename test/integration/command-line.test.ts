import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { BIN, type ServiceUnderTest, serviceUnderTest } from './service-under-test.js';

const COUNT_TO_3 = `
n=$(cat n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > n.new && mv n.new n
echo "run $n from \${PORTLAYER_RESTORED_FROM:-the beginning}"
[ $n -lt 3 ] && { checkpoint --label run=$n || exit $?; }
exit 0`;

describe('the command line against a real service', function () {
  this.timeout(60_000);
  let service: ServiceUnderTest;
  const portlayer = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [BIN, '--address', service.address, ...args], { encoding: 'utf8' });

  before(async () => {
    service = serviceUnderTest();
    await service.start();
  });
  after(() => service.close());

  it('runs a job whose task asks for its checkpoints with the tool, and lists them', () => {
    const run = portlayer('run', '--name', 'job', '--checkpoint-exit', '85', '--', 'sh', '-c', COUNT_TO_3);
    expect(run.stderr).to.equal('');
    expect(run.status).to.equal(0);
    expect(run.stdout.trim().split('\n')).to.have.length(3);
    const listed = JSON.parse(portlayer('checkpoint', 'ls', '--output', 'json').stdout) as Record<
      string,
      unknown
    >[];
    expect(listed.map(c => [c.iteration, c.source, c.state])).to.deep.equal([
      [2, 'guest', 'committed'],
      [1, 'guest', 'committed'],
    ]);
    expect(listed.map(c => (c.labels as Record<string, string>).run)).to.deep.equal(['2', '1']);
  });

  it('waits with the task’s own code, forks a checkpoint twice, and draws the tree', () => {
    expect(portlayer('wait', 'job')).to.include({ status: 0, stdout: '0\n' });
    const crid = portlayer('checkpoint', 'ls', '--quiet').stdout.trim().split('\n').at(-1)!;
    const fork = portlayer('fork', crid, '-n', '2', '--quiet');
    expect(fork.stdout.trim().split('\n').sort()).to.deep.equal(['job-f1', 'job-f2']);
    expect(portlayer('wait', 'job-f1', 'job-f2').status).to.equal(0);
    expect(portlayer('logs', 'job-f1').stdout).to.contain(`run 2 from ${crid}`);
    const tree = portlayer('checkpoint', 'tree').stdout;
    expect(tree).to.contain(crid).and.to.contain('job-f1 (exited)');
  });

  it('gives the code of a task that fails, of a signal, and of a command that is not there', () => {
    expect(portlayer('run', '--rm', '--', 'sh', '-c', 'exit 7').status).to.equal(7);
    expect(portlayer('run', '--rm', '--', 'sh', '-c', 'kill -TERM $$').status).to.equal(143);
    expect(portlayer('run', '--rm', '--', '/no/such/command').status).to.equal(127);
  });

  it('separates the task’s outputs, and runs further commands inside', () => {
    const both = portlayer('run', '--rm', '--', 'sh', '-c', 'echo out; echo err >&2');
    expect(both).to.include({ stdout: 'out\n', stderr: 'err\n' });
    portlayer('run', '-d', '--name', 'steady', '--', 'sh', '-c', 'echo there > f; sleep 100');
    const exec = portlayer('exec', 'steady', '--', 'cat', '/state/f');
    expect(exec.stderr + exec.stdout).to.equal('there\n');
    portlayer('pause', 'steady');
    expect(portlayer('ps').stdout).to.match(/steady +paused/);
    portlayer('unpause', 'steady');
    expect(portlayer('stop', '-t', '1', 'steady').status).to.equal(0);
  });

  it('ends every error with what to do, and wrong usage with code 2', () => {
    const missing = portlayer('inspect', 'nobody');
    expect(missing.status).to.equal(1);
    expect(missing.stderr).to.contain('what to do:');
    expect(portlayer('fork').status).to.equal(2);
    expect(portlayer('nonsense').status).to.equal(2);
    const same = portlayer('create', '--name', 'x', '--checkpoint-exit', '0', '--', 'true');
    expect(same.status).to.not.equal(0);
  });
});

describe('the demo', function () {
  this.timeout(120_000);

  it('comes to the same digest in every run, and says so', () => {
    const demo = spawnSync(process.execPath, [BIN, 'demo'], { encoding: 'utf8' });
    expect(demo.stdout).to.contain('All 4 digests are equal.');
    expect(demo.status).to.equal(0);
  });
});
