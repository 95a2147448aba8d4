import { expect } from 'chai';
import type { PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { createRig, fakeSpec, type Rig } from './rig.js';

const never = new AbortController().signal;
const failing = (work: Promise<unknown>): Promise<PortLayerError> =>
  work.then(
    () => expect.fail('it should have been refused'),
    caught => caught as PortLayerError,
  );

describe('containers', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
    rig.task('forever', () => new Promise(() => {}));
    rig.task('three', () => 3);
    rig.task('zero', () => 0);
  });
  afterEach(async () => {
    await rig.close();
  });

  it('are created once by name and spec, and refused with another spec', async () => {
    const first = await rig.dispatch.createContainer('', fakeSpec('a', 'zero'));
    const again = await rig.dispatch.createContainer('', fakeSpec('a', 'zero'));
    expect(again.uid).to.equal(first.uid);
    const error = await failing(rig.dispatch.createContainer('', fakeSpec('a', 'three')));
    expect(error.code).to.equal('ALREADY_EXISTS');
    expect(error.remedy).to.contain('portlayer rm a');
  });

  for (const [what, spec, field] of [
    ['a name with a slash', { name: '../x', task: { argv: ['zero'] } }, 'name'],
    ['a name of 64 characters', { name: 'x'.repeat(64), task: { argv: ['zero'] } }, 'name'],
    ['an unknown field', { name: 'a', task: { argv: ['zero'] }, memory: 3 }, 'memory'],
    ['an unknown field deep inside', { name: 'a', task: { argv: ['zero'], shell: true } }, 'task.shell'],
    ['no command', { name: 'a', task: { argv: [] } }, 'task.argv'],
    ['no task', { name: 'a' }, 'task'],
    ['an unknown executor', { name: 'a', executor: 'nope', task: { argv: ['zero'] } }, 'executor'],
    [
      'an unknown loader',
      { name: 'a', executor: 'fake', loader: 'nope', task: { argv: ['zero'] } },
      'loader',
    ],
    [
      'a relative volume',
      { name: 'a', task: { argv: ['zero'] }, volumes: [{ source: 'x', target: '/x' }] },
      'volumes.0.source',
    ],
    ['a NUL in an argument', { name: 'a', task: { argv: ['a\0b'] } }, 'task.argv.0'],
    ['an environment name with =', { name: 'a', task: { argv: ['zero'], env: { 'A=B': 'x' } } }, 'task.env'],
  ] as const) {
    it(`are refused with ${what}, naming the field, and nothing is kept`, async () => {
      const error = await failing(rig.dispatch.createContainer('', spec));
      expect(error.code).to.equal('INVALID_SPEC');
      expect(error.facts.field).to.contain(field);
      expect(error.required).to.be.a('string');
      expect(error.found).to.be.a('string');
      expect(error.remedy).to.be.a('string');
      expect((await rig.dispatch.listContainers({}, { size: 10 })).items).to.have.length(0);
    });
  }

  it('answer a repeated request id with the first result, and refuse it for another call', async () => {
    const first = await rig.dispatch.createContainer('r-1', fakeSpec('a', 'zero'));
    await rig.dispatch.startContainer('r-2', 'a');
    await rig.dispatch.waitContainer('a', never);
    await rig.restart();
    expect(await rig.dispatch.createContainer('r-1', fakeSpec('a', 'zero'))).to.deep.equal(first);
    expect((await failing(rig.dispatch.createContainer('r-1', fakeSpec('b', 'zero')))).code).to.equal(
      'ALREADY_EXISTS',
    );
  });

  it('report the code of the task, and can be started again', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'three'));
    await rig.dispatch.startContainer('', 'a');
    expect(await rig.dispatch.waitContainer('a', never)).to.include({ code: 3, reason: 'failed' });
    await rig.dispatch.startContainer('', 'a');
    expect(await rig.dispatch.waitContainer('a', never)).to.include({ code: 3 });
  });

  it('say why a task could not be executed', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'absent'));
    await rig.dispatch.startContainer('', 'a');
    const exit = await rig.dispatch.waitContainer('a', never);
    expect(exit).to.include({ code: 127, reason: 'failed' });
    expect(exit.message).to.contain('No such file');
  });

  it('are exited, with the reason, when the executor cannot start them', async () => {
    rig.world.before = operation => {
      if (operation === 'start') throw new Error('no room at the inn');
    };
    await rig.dispatch.createContainer('', fakeSpec('a', 'zero'));
    await failing(rig.dispatch.startContainer('', 'a'));
    const record = await rig.dispatch.getContainer('a');
    expect(record.state).to.equal('exited');
    expect(record.exit?.message).to.contain('no room at the inn');
  });

  it('are stopped, with reason stopped, and stopping twice is no error', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    expect((await rig.dispatch.stopContainer('', 'a', 1000)).exit).to.include({
      reason: 'stopped',
      signal: 15,
    });
    expect((await rig.dispatch.stopContainer('', 'a', 1000)).state).to.equal('exited');
  });

  it('are not removed while they run, but with force they are', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    expect((await failing(rig.dispatch.removeContainer('', 'a', false))).code).to.equal('WRONG_STATE');
    await rig.dispatch.removeContainer('', 'a', true);
    expect((await failing(rig.dispatch.getContainer('a'))).code).to.equal('NOT_FOUND');
    await rig.dispatch.removeContainer('', 'a', false);
    expect(rig.world.containers.size).to.equal(0);
  });

  it('are paused by zero CPU and run again after', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    expect((await rig.dispatch.bindContainer('', 'a', { cpus: 0 })).state).to.equal('paused');
    expect([...rig.world.containers.values()][0]?.frozen).to.equal(true);
    expect((await rig.dispatch.bindContainer('', 'a', {})).state).to.equal('running');
  });

  it('are updated only by a caller that saw the newest generation', async () => {
    const seen = await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.updateContainer('', 'a', seen.generation, { labels: { tier: 'gold' } });
    const error = await failing(rig.dispatch.updateContainer('', 'a', seen.generation, { labels: {} }));
    expect(error.code).to.equal('STALE_GENERATION');
    expect((await rig.dispatch.getContainer('a')).spec.labels).to.deep.equal({ tier: 'gold' });
    const found = await rig.dispatch.listContainers({ labels: { tier: '' } }, { size: 10 });
    expect(found.items.map(c => c.spec.name)).to.deep.equal(['a']);
  });

  it('are listed in pages', async () => {
    for (const name of ['a', 'b', 'c']) await rig.dispatch.createContainer('', fakeSpec(name, 'zero'));
    const first = await rig.dispatch.listContainers({}, { size: 2 });
    const second = await rig.dispatch.listContainers({}, { size: 2, token: first.nextPageToken! });
    expect([...first.items, ...second.items].map(c => c.spec.name)).to.deep.equal(['a', 'b', 'c']);
    expect(second.nextPageToken).to.equal(undefined);
    expect((await failing(rig.dispatch.listContainers({}, { size: 2, token: 'bogus' }))).code).to.equal(
      'INVALID_SPEC',
    );
  });

  it('run on while the service is away, and their exit is found when it is back', async () => {
    let end: (code: number) => void = () => {};
    rig.task(
      'later',
      () =>
        new Promise(resolve => {
          end = resolve;
        }),
    );
    for (const name of ['a', 'b']) {
      await rig.dispatch.createContainer('', fakeSpec(name, name === 'a' ? 'later' : 'forever'));
      await rig.dispatch.startContainer('', name);
    }
    await rig.restart();
    expect((await rig.dispatch.getContainer('b')).state).to.equal('running');
    end(7);
    expect(await rig.dispatch.waitContainer('a', never)).to.include({ code: 7 });
  });

  it('are lost, and say so, when nothing is left of them', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    rig.world.containers.clear();
    await rig.restart();
    expect((await rig.dispatch.getContainer('a')).exit).to.include({ reason: 'lost', code: 137 });
  });

  it('that the catalog does not know are reported, not ended', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'forever'));
    await rig.dispatch.startContainer('', 'a');
    rig.world.containers.set('01ARZ3NDEKTSV4RRFFQ69G5FAV', [...rig.world.containers.values()][0]!);
    await rig.restart();
    expect(rig.dispatch.recovered.orphans).to.deep.equal(['local/fake/01ARZ3NDEKTSV4RRFFQ69G5FAV']);
  });

  it('leave an event for everything that happens to them, without gaps', async () => {
    await rig.dispatch.createContainer('', fakeSpec('a', 'zero'));
    await rig.dispatch.startContainer('', 'a');
    await rig.dispatch.waitContainer('a', never);
    await rig.dispatch.removeContainer('', 'a', false);
    const types: string[] = [];
    const sequences: number[] = [];
    for await (const event of rig.dispatch.events(1, false, never)) {
      types.push(event.type);
      sequences.push(event.sequence);
    }
    expect(types).to.deep.equal(['created', 'starting', 'running', 'exited', 'removing', 'removed']);
    expect(sequences).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });
});
