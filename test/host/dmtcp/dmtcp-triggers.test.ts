import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { type DmtcpWorld, openOrSkip } from './world.js';

const whole = ['1', '2', '3', '4', 'done'];
const rest = ['3', '4', 'done'];

/** The programs of the other mechanisms' tests: they know nothing of DMTCP. */
const askers: [string, string[]][] = [
  ['C, by signal', ['/programs/counter-dynamic']],
  ['Python, by socket', ['/usr/bin/python3', '/programs/counter.py']],
  ['shell, by the tool', ['sh', '/programs/counter.sh']],
];

describe("the task's own trigger under DMTCP", function () {
  this.timeout(120_000);
  let dmtcp: DmtcpWorld;
  before(async function () {
    dmtcp = await openOrSkip(this);
  });
  afterEach(() => dmtcp?.world.clear());
  after(() => dmtcp?.world.close());

  const checkpoints = async (container?: string) => {
    const filter = container === undefined ? {} : { container };
    return (await dmtcp.world.dispatch.listCheckpoints(filter, { size: 10 })).items;
  };

  for (const [language, argv] of askers) {
    it(`${language}: the transcript of every other mechanism, and a copy goes on from the third line`, async () => {
      await dmtcp.run('alive', argv);
      const original = await dmtcp.end('alive');
      expect([original.code, original.output]).to.deep.equal([0, whole]);
      const [checkpoint, ...more] = await checkpoints();
      expect([checkpoint?.mechanism, checkpoint?.source, more.length]).to.deep.equal(['dmtcp', 'guest', 0]);
      await dmtcp.world.restore(checkpoint!.crid, 'copy');
      const copy = await dmtcp.end('copy');
      expect([copy.code, copy.output]).to.deep.equal([0, rest]);
    });
  }

  it('a copy asks again, and its copy answers', async () => {
    const script = 'checkpoint; echo "first $?"; checkpoint; echo "second $?"; exec sleep 1000';
    await dmtcp.run('one', ['bash', '-c', script]);
    await dmtcp.world.said('one', /^second 0/);
    const first = (await checkpoints()).at(-1)!;
    await dmtcp.world.restore(first.crid, 'two');
    await dmtcp.world.said('two', /^first 10$/);
    await dmtcp.world.said('two', /^second 0$/);
    const [second] = await checkpoints('two');
    await dmtcp.world.restore(second!.crid, 'three');
    await dmtcp.world.said('three', /^second 10$/);
    expect((await dmtcp.world.output('one'))[0]).to.equal(first.crid);
  });

  it('is refused by policy with the reason, and the task goes on', async () => {
    await dmtcp.run('shut', ['sh', '-c', 'checkpoint; echo "answer $?"; exec sleep 1000'], {
      trigger: { allow: false },
    });
    await dmtcp.world.said('shut', /^answer 1$/);
    expect((await dmtcp.world.output('shut')).join('\n')).to.include('TRIGGER_DENIED');
  });

  it('a dump that fails is -1 for who asked by signal and by socket, and both go on', async () => {
    const { world } = dmtcp;
    const staging = join(world.stateDirectory, 'staging');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', staging]);
    try {
      await dmtcp.run('signal', ['/programs/counter-dynamic']);
      expect((await dmtcp.end('signal')).code, 'the program ends so where it hears -1').to.equal(8);
      await dmtcp.run('socket', ['sh', '-c', 'checkpoint; echo "answer $?"; exec sleep 1000']);
      await world.said('socket', /^answer 1$/);
      expect((await world.output('socket')).join('\n')).to.include('STORE_FULL');
      expect(await checkpoints()).to.deep.equal([]);
    } finally {
      execFileSync('umount', [staging]);
    }
  });

  it('a task that is not root is kept as well, and asks by the tool', async () => {
    const script = 'checkpoint >/dev/null; echo "answer $? $(id -u)"; exec sleep 1000';
    await dmtcp.run('user', ['sh', '-c', script], { task: { user: { uid: 65534, gid: 65534 } } });
    await dmtcp.world.said('user', /^answer 0 65534$/);
    const [checkpoint] = await checkpoints();
    await dmtcp.world.restore(checkpoint!.crid, 'copy');
    await dmtcp.world.said('copy', /^answer 10 65534$/);
  });
});
