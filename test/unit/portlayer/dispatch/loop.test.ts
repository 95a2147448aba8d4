import { expect } from 'chai';
import type { ProgressStep } from '../../../../portlayer/dispatch/dispatch.js';
import type { CheckpointRecord } from '../../../../portlayer/model/checkpoint-record.js';
import { counter, createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;

async function checkpointsOf(rig: Rig, container: string): Promise<readonly CheckpointRecord[]> {
  return (await rig.dispatch.listCheckpoints({ container }, { size: 1000 })).items;
}

async function run(rig: Rig, spec: Record<string, unknown>): Promise<void> {
  await rig.dispatch.createContainer('', spec);
  await rig.dispatch.startContainer('', String(spec.name));
}

describe('the exit-code loop', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(async () => {
    await rig.close();
  });

  it('runs the task again after each exit 85 until it exits 0, and lists one checkpoint for each', async () => {
    rig.task('count', counter(4));
    await run(rig, fakeSpec('job', 'count', { exitCode: {} }));
    const exit = await rig.dispatch.waitContainer('job', never);
    expect(exit).to.include({ code: 0, reason: 'completed' });
    const checkpoints = await checkpointsOf(rig, 'job');
    expect(checkpoints.map(c => c.iteration)).to.deep.equal([3, 2, 1]);
    expect(checkpoints.map(c => c.parent)).to.deep.equal([
      checkpoints[1]?.crid,
      checkpoints[2]?.crid,
      undefined,
    ]);
  });

  it('tells each iteration which checkpoint it goes on from', async () => {
    rig.task('count', counter(3));
    await run(rig, fakeSpec('job', 'count', { exitCode: {} }));
    await rig.dispatch.waitContainer('job', never);
    const [second, first] = await checkpointsOf(rig, 'job');
    const [fake] = [...rig.world.containers.values()];
    expect(fake?.log).to.deep.equal([
      '1 from the beginning',
      `2 from ${first?.crid}`,
      `3 from ${second?.crid}`,
    ]);
  });

  it('fails with the code of a task that exits with neither code', async () => {
    rig.task('bad', () => 3);
    await run(rig, fakeSpec('job', 'bad', { exitCode: {} }));
    expect(await rig.dispatch.waitContainer('job', never)).to.include({ code: 3, reason: 'failed' });
    expect(await checkpointsOf(rig, 'job')).to.have.length(0);
  });

  it('stops a task that leaves the same state twice, and says which iterations', async () => {
    rig.task('same', ({ files }) => {
      files.set('state', 'always this');
      return 85;
    });
    await run(rig, fakeSpec('job', 'same', { exitCode: {} }));
    const exit = await rig.dispatch.waitContainer('job', never);
    expect(exit.reason).to.equal('stuck');
    expect(exit.message).to.match(/iterations 1 and 2 left the same state/);
  });

  it('stops a task that writes nothing at all', async () => {
    rig.task('idle', () => 85);
    await run(rig, fakeSpec('job', 'idle', { exitCode: {} }));
    expect((await rig.dispatch.waitContainer('job', never)).reason).to.equal('stuck');
  });

  it('stops after the iterations allowed', async () => {
    rig.task('count', counter(1000));
    await run(rig, fakeSpec('job', 'count', { exitCode: { maxIterations: 5 } }));
    const exit = await rig.dispatch.waitContainer('job', never);
    expect(exit).to.include({ reason: 'stuck', message: '5 iterations, the most allowed' });
  });

  it('refuses a convention in which 85 means both, and creates nothing', async () => {
    const error = await rig.dispatch
      .createContainer('', fakeSpec('job', 'count', { exitCode: { checkpoint: 85, complete: 85 } }))
      .catch(caught => caught);
    expect(error).to.include({ code: 'INVALID_SPEC', found: '85 for both' });
    expect((await rig.dispatch.listContainers({}, { size: 10 })).items).to.have.length(0);
  });

  it('folds a chain that has become long, and goes on', async () => {
    rig.task('count', counter(80));
    await run(rig, fakeSpec('job', 'count', { exitCode: {} }));
    await rig.dispatch.waitContainer('job', never);
    const record = await rig.dispatch.getContainer('job');
    expect(record.layers.length).to.be.at.most(33);
    expect(await checkpointsOf(rig, 'job')).to.have.length(79);
  });

  it('goes on after the service ended in the middle, with nothing lost and nothing doubled', async () => {
    rig.task('count', counter(50));
    await run(rig, fakeSpec('job', 'count', { exitCode: {} }));
    for (let i = 0; i < 8; i++) {
      await new Promise(resolve => setTimeout(resolve, 5));
      await rig.restart();
    }
    expect((await rig.dispatch.waitContainer('job', never)).code).to.equal(0);
    const iterations = (await checkpointsOf(rig, 'job')).map(c => c.iteration).reverse();
    expect(iterations).to.deep.equal(Array.from({ length: 49 }, (_, i) => i + 1));
  });

  it('takes a checkpoint when the host asks by signal', async () => {
    rig.task('service', async ({ files, signalled, request }) => {
      if (request.env.PORTLAYER_RESTORED_FROM) return 0;
      await signalled();
      files.set('state', 'recorded');
      return 85;
    });
    await run(rig, fakeSpec('job', 'service', { exitCode: {} }));
    const states: string[] = [];
    const request = {
      container: 'job',
      labels: { why: 'asked' },
      durability: 'committed',
      stopAfter: false,
    } as const;
    const record = await rig.dispatch.createCheckpoint('', request, step => states.push(step.state), never);
    expect(record).to.include({ state: 'committed', source: 'api' });
    expect(record.labels).to.deep.equal({ why: 'asked' });
    expect(states[0]).to.equal('requested');
    expect(states).to.include.members(['dumping', 'captured', 'committed']);
  });

  it('tells how much of a large image is written back', async () => {
    await rig.close();
    rig = await createRig({}, true);
    rig.task('service', async ({ files, signalled, request }) => {
      if (request.env.PORTLAYER_RESTORED_FROM) return 0;
      await signalled();
      files.set('state', 'x'.repeat(9 * 2 ** 20));
      return 85;
    });
    await run(rig, fakeSpec('job', 'service', { exitCode: {} }));
    const steps: ProgressStep[] = [];
    const request = { container: 'job', labels: {}, durability: 'committed', stopAfter: false } as const;
    await rig.dispatch.createCheckpoint('', request, step => steps.push(step), never);
    const written = steps.flatMap(step => step.written ?? []);
    expect(written).to.have.length(3);
    expect(written.at(-1)!.doneBytes).to.equal(written[0]!.totalBytes);
    expect(written[0]!.doneBytes).to.equal(4 * 2 ** 20);
    expect(written[0]!.totalBytes).to.be.within(9 * 2 ** 20, 10 * 2 ** 20);
  });

  it('fails a checkpoint that the task does not answer in time, and the task runs on', async () => {
    rig.task('deaf', () => new Promise(() => {}));
    await run(rig, fakeSpec('job', 'deaf', { exitCode: { signalTimeoutMs: 30 } }));
    const request = { container: 'job', labels: {}, durability: 'committed', stopAfter: false } as const;
    const error = await rig.dispatch.createCheckpoint('', request, () => {}, never).catch(caught => caught);
    expect(error.code).to.equal('QUIESCE_TIMEOUT');
    expect((await rig.dispatch.getContainer('job')).state).to.equal('running');
    expect(await checkpointsOf(rig, 'job')).to.have.length(0);
  });

  it('ends the container with the checkpoint when it is asked to', async () => {
    rig.task('service', async ({ files, signalled }) => {
      await signalled();
      files.set('state', 'recorded');
      return 85;
    });
    await run(rig, fakeSpec('job', 'service', { exitCode: {} }));
    const request = { container: 'job', labels: {}, durability: 'captured', stopAfter: true } as const;
    await rig.dispatch.createCheckpoint('', request, () => {}, never);
    expect(await rig.dispatch.waitContainer('job', never)).to.include({ reason: 'stopped' });
  });

  it('answers a guest that triggers with the code to exit with, and gives the checkpoint its labels', async () => {
    const heard: string[] = [];
    rig.task('asker', async ({ say, hear, files, request }) => {
      if (request.env.PORTLAYER_RESTORED_FROM) return 0;
      say('TRIGGER v=1 inc=0123456789abcdef seq=1 mech=any timeout-ms=0 from=tool pid=7 label.step=one');
      heard.push(await hear());
      files.set('state', 'recorded');
      return 85;
    });
    await run(rig, fakeSpec('job', 'asker', { exitCode: {} }));
    await rig.dispatch.waitContainer('job', never);
    expect(heard).to.deep.equal(['ANSWER inc=0123456789abcdef seq=1 result=exit value=-2 code=85']);
    const [checkpoint] = await checkpointsOf(rig, 'job');
    expect(checkpoint).to.include({ source: 'guest' });
    expect(checkpoint?.labels).to.deep.equal({ step: 'one' });
  });
});
