import { expect } from 'chai';
import { NOW_MS, SAMPLE_LEVELS, sampleSpec } from './scripted-dispatch.js';
import { startTestService, type TestService } from './test-service.js';

const CRID = '01K4XZ6Q0V9J3T8W2R5YB7N1C1';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('every call of the Execution API, from the client to the dispatch and back', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService();
  });
  after(() => service[Symbol.asyncDispose]());
  beforeEach(() => {
    service.calls.length = 0;
  });
  const arrived = () => service.calls.map(({ method, args }) => [method, ...args]);

  it('CreateContainer carries a full spec both ways', async () => {
    const { log, ...spec } = sampleSpec();
    const container = await service.client.createContainer({ ...spec, log }, { requestId: 'r1' });
    expect(arrived()).to.deep.equal([['createContainer', 'r1', sampleSpec()]]);
    expect(container.spec).to.deep.equal(sampleSpec());
    expect(container).to.deep.include({
      uid: '01K4XZ6Q0V9J3T8W2R5YB7N1MD',
      state: 'created',
      generation: 7,
      createdAt: new Date(NOW_MS),
      startedAt: new Date(NOW_MS + 1),
      restoredFrom: '01K4XZ6Q0V9J3T8W2R5YB7N1C0',
      head: CRID,
      iteration: 3,
      boundCpus: 1.5,
      layers: 2,
    });
  });

  it('CreateContainer leaves out of the spec what the caller left unset', async () => {
    await service.client.createContainer({ name: 'a', task: { argv: ['true'] } });
    const [, spec] = service.calls[0]?.args ?? [];
    expect(spec).to.deep.equal({ name: 'a', labels: {}, task: { argv: ['true'], env: {} }, volumes: [] });
  });

  it('mutating calls make a request id of their own, another each time', async () => {
    await service.client.startContainer('web');
    await service.client.startContainer('web');
    const [first, second] = service.calls.map(call => call.args[0]);
    expect(first).to.be.a('string').with.lengthOf(36);
    expect(second).not.to.equal(first);
  });

  it('start, stop, kill, remove and get name the container', async () => {
    const { client } = service;
    await client.startContainer('web', { requestId: 'r' });
    await client.stopContainer('web', { requestId: 'r' });
    await client.stopContainer('web', { requestId: 'r', graceMs: 1500 });
    await client.killContainer('web', undefined, { requestId: 'r' });
    await client.killContainer('web', 'SIGUSR1', { requestId: 'r' });
    await client.removeContainer('web', { requestId: 'r', force: true });
    await client.getContainer('web');
    expect(arrived()).to.deep.equal([
      ['startContainer', 'r', 'web'],
      ['stopContainer', 'r', 'web', 10_000],
      ['stopContainer', 'r', 'web', 1500],
      ['killContainer', 'r', 'web', 'SIGKILL'],
      ['killContainer', 'r', 'web', 'SIGUSR1'],
      ['removeContainer', 'r', 'web', true],
      ['getContainer', 'web'],
    ]);
  });

  it('ListContainers pages and filters', async () => {
    const page = await service.client.listContainers({
      pageSize: 5,
      pageToken: 't',
      states: ['paused'],
      labels: { a: '' },
    });
    expect(arrived()).to.deep.equal([
      ['listContainers', { states: ['paused'], labels: { a: '' } }, { size: 5, token: 't' }],
    ]);
    expect(page.nextPageToken).to.equal('next');
    expect(page.items.map(each => each.spec.name)).to.deep.equal(['web']);
    await service.client.listContainers();
    expect(service.calls[1]?.args).to.deep.equal([{ labels: {} }, { size: 100 }]);
  });

  it('WaitContainer answers the exit as data', async () => {
    expect(await service.client.waitContainer('web')).to.deep.equal({
      code: 137,
      signal: 9,
      oomKilled: true,
      reason: 'stopped',
      message: '',
      at: new Date(NOW_MS),
    });
  });

  it('StreamLogs gives the entries of both streams', async () => {
    const entries = await all(
      service.client.streamLogs('web', { follow: true, tail: 0, since: new Date(NOW_MS) }),
    );
    expect(arrived()).to.deep.equal([['logs', 'web', { follow: true, tail: 0, sinceMs: NOW_MS }]]);
    expect(entries).to.deep.equal([
      { stream: 'stdout', at: new Date(NOW_MS), text: 'hello', endsLine: true },
      { stream: 'stderr', at: new Date(NOW_MS), text: 'part', endsLine: false },
    ]);
  });

  it('ExecContainer carries stdin, both outputs and the exit code', async () => {
    async function* stdin() {
      for (let i = 0; i < 40; i++) yield Buffer.alloc(50_000, i);
    }
    const user = { uid: 5, gid: 0 };
    const output = await all(
      service.client.execContainer('web', { argv: ['cat'], env: { B: '2' }, cwd: '/', user, stdin: stdin() }),
    );
    expect(arrived()).to.deep.equal([['exec', 'web', { argv: ['cat'], env: { B: '2' }, cwd: '/', user }]]);
    const bytes = (kind: string) =>
      Buffer.concat(output.flatMap(each => (each.kind === kind && 'data' in each ? [each.data] : [])));
    expect(bytes('stderr').toString()).to.equal('cat');
    expect(bytes('stdout')).to.have.lengthOf(2_000_000);
    expect(output.at(-1)).to.deep.equal({ kind: 'exit', code: 3 });
  });

  it('BindContainer tells zero CPU from none', async () => {
    await service.client.bindContainer('web', { cpus: 0 }, { requestId: 'r' });
    await service.client.bindContainer('web', {}, { requestId: 'r' });
    expect(arrived()).to.deep.equal([
      ['bindContainer', 'r', 'web', { cpus: 0 }],
      ['bindContainer', 'r', 'web', {}],
    ]);
  });

  it('UpdateContainer sends only what changes', async () => {
    await service.client.updateContainer('web', 7, { labels: {} }, { requestId: 'r' });
    await service.client.updateContainer(
      'web',
      7,
      { trigger: { allow: false }, resources: { pids: 3 } },
      { requestId: 'r' },
    );
    expect(arrived()).to.deep.equal([
      ['updateContainer', 'r', 'web', 7, { labels: {} }],
      [
        'updateContainer',
        'r',
        'web',
        7,
        { trigger: { allow: false, mechanisms: [] }, resources: { pids: 3 } },
      ],
    ]);
  });

  it('CreateCheckpoint tells each state and ends with the checkpoint', async () => {
    const wanted = {
      mechanism: 'exit-code',
      labels: { a: 'b' },
      durability: 'captured',
      stopAfter: true,
    } as const;
    const steps = await all(service.client.createCheckpoint('web', wanted, { requestId: 'r' }));
    // A durability that was given is a need; the default is not.
    const request = { container: 'web', ...wanted, need: { durability: 'captured' } };
    expect(arrived()).to.deep.equal([['createCheckpoint', 'r', request]]);
    expect(steps.map(step => (step.kind === 'progress' ? step.state : step.checkpoint.crid))).to.deep.equal([
      'requested',
      'dumping',
      'captured',
      'committing',
      'committed',
      CRID,
    ]);
    // Of two that wait to be told, the newer.
    const written = steps.flatMap(step => (step.kind === 'progress' ? (step.written ?? []) : []));
    expect(written).to.deep.equal([{ doneBytes: 200, totalBytes: 300 }]);
  });

  it('CreateCheckpoint asks for a committed one by default', async () => {
    await all(service.client.createCheckpoint('web', {}, { requestId: 'r' }));
    const request = { container: 'web', labels: {}, durability: 'committed', stopAfter: false };
    expect(arrived()).to.deep.equal([['createCheckpoint', 'r', request]]);
  });

  it('CreateCheckpoint and PlanCheckpoint carry what is needed', async () => {
    const need = { keep: 'process', restore: 'here', maxPauseMs: 50, fallback: true } as const;
    await all(service.client.createCheckpoint('web', { need }, { requestId: 'r' }));
    const request = { container: 'web', labels: {}, durability: 'committed', stopAfter: false, need };
    expect(arrived()).to.deep.equal([['createCheckpoint', 'r', request]]);
    const [choice] = await service.client.planCheckpoint('web', { mechanism: 'criu', need });
    expect(arrived().at(-1)).to.deep.equal(['planCheckpoint', 'web', 'criu', need]);
    expect(choice).to.deep.include({ mechanism: 'criu', chosen: true, preserves: 'process', rank: 0 });
    expect(choice?.estimate).to.deep.include({
      pauseMs: { low: 20, likely: 40, high: 80, samples: 3 },
      learntFrom: 'container',
    });
  });

  it('CheckRestore and ListTargets show each constraint, what is there, and what would have to change', async () => {
    const report = await service.client.checkRestore('web:warm', 'build-2');
    expect(arrived()).to.deep.equal([['checkRestore', 'web:warm', 'build-2']]);
    expect(report).to.deep.equal({
      environment: 'build-2',
      fits: false,
      verdicts: [
        {
          level: 'environment',
          key: 'kernel',
          relation: 'at-least',
          required: '6.1',
          found: '5.10.0',
          met: false,
        },
      ],
      changes: [{ what: 'Bring kernel from 5.10.0 to 6.1 or newer.', meets: ['environment kernel'] }],
    });
    const targets = await service.client.listTargets('web:warm');
    expect(targets.map(each => [each.environment, each.unusable])).to.deep.equal([
      ['local', undefined],
      ['build-2', 'no answer'],
    ]);
  });

  it('GetCheckpoint gives every field of the record', async () => {
    const checkpoint = await service.client.getCheckpoint(CRID);
    expect(checkpoint).to.deep.equal({
      crid: CRID,
      ordinal: 12,
      state: 'committed',
      mechanism: 'exit-code',
      level: 'task',
      source: 'guest',
      container: 'web',
      spec: sampleSpec(),
      parent: '01K4XZ6Q0V9J3T8W2R5YB7N1C0',
      labels: { step: '3' },
      published: 'web:warm',
      tags: ['parent'],
      constraints: [{ level: 'executor', key: 'architecture', relation: 'equal', required: 'x86_64' }],
      phases: { quiesceMs: 1.5, dumpMs: 20, commitMs: 3000 },
      bytes: 1_258_291,
      entries: 42,
      digest: `sha256:${'0'.repeat(64)}`,
      layers: 2,
      storedBytes: 1_048_576,
      sources: ['01K4XZ6Q0V9J3T8W2R5YB7N1C0'],
      pinned: true,
      verifiedAt: new Date(NOW_MS),
      verifiedBy: 'image',
      quarantined: 'a page has not the hash it was stored with',
      iteration: 3,
      createdAt: new Date(NOW_MS),
      committedAt: new Date(NOW_MS + 5),
    });
  });

  it('ListCheckpoints filters by all that it can', async () => {
    const filter = {
      states: ['failed' as const],
      level: 'task' as const,
      mechanism: 'criu',
      container: 'web',
      parent: CRID,
    };
    await service.client.listCheckpoints({ ...filter, labels: { a: 'b' }, published: true });
    await service.client.listCheckpoints();
    expect(arrived()).to.deep.equal([
      ['listCheckpoints', { ...filter, labels: { a: 'b' }, published: true }, { size: 100 }],
      ['listCheckpoints', { labels: {} }, { size: 100 }],
    ]);
  });

  it('GetCheckpointTree gives parents before children', async () => {
    const nodes = await service.client.getCheckpointTree({ root: CRID });
    expect(arrived()).to.deep.equal([['checkpointTree', CRID, undefined]]);
    expect(nodes.map(node => [node.parentIndex, node.containers])).to.deep.equal([
      [-1, ['web-f1']],
      [0, []],
    ]);
  });

  it('publish, remove, commit and restore name the checkpoint', async () => {
    const { client } = service;
    await client.publishCheckpoint(CRID, 'web:warm', { requestId: 'r', move: true });
    await client.publishCheckpoint(CRID, '', { requestId: 'r' });
    await client.removeCheckpoint(CRID, { requestId: 'r' });
    await client.commitCheckpoint(CRID, { requestId: 'r' });
    await client.restoreCheckpoint(CRID, { name: 'b', labels: { a: 'b' } }, { requestId: 'r' });
    await client.restoreCheckpoint(CRID, { inPlace: true }, { requestId: 'r' });
    expect(arrived()).to.deep.equal([
      ['publishCheckpoint', 'r', CRID, 'web:warm', true],
      ['publishCheckpoint', 'r', CRID, '', false],
      ['removeCheckpoint', 'r', CRID, false],
      ['commitCheckpoint', 'r', CRID],
      ['restoreCheckpoint', 'r', { checkpoint: CRID, name: 'b', inPlace: false, labels: { a: 'b' } }],
      ['restoreCheckpoint', 'r', { checkpoint: CRID, inPlace: true, labels: {} }],
    ]);
  });

  it('Fork gives each copy or why there is none', async () => {
    const copies = await all(
      service.client.fork({ container: 'web' }, { count: 2, namePrefix: 'x' }, { requestId: 'r' }),
    );
    expect(arrived()).to.deep.equal([
      ['fork', 'r', { source: { container: 'web' }, count: 2, namePrefix: 'x', labels: {} }],
    ]);
    expect(copies.map(copy => ('container' in copy ? copy.container.spec.name : copy.failure))).to.deep.equal(
      ['web-f1', { name: 'web-f2', code: 'STORE_FULL', message: 'No room.', remedy: 'Free space.' }],
    );
    await all(service.client.fork({ checkpoint: CRID }, {}, { requestId: 'r' }));
    expect(service.calls[1]?.args[1]).to.deep.equal({ source: { checkpoint: CRID }, count: 1, labels: {} });
  });

  it('StreamEvents starts where it is told', async () => {
    const events = await all(service.client.streamEvents({ since: 5, follow: false }));
    expect(arrived()).to.deep.equal([['events', 5, false]]);
    expect(events).to.deep.equal([
      {
        sequence: 5,
        at: new Date(NOW_MS),
        subject: 'container',
        id: 'web',
        type: 'running',
        facts: { a: 'b' },
      },
    ]);
  });

  it('ListLevels and GetCapabilities show what there is', async () => {
    const levels = await service.client.listLevels({ refresh: true });
    expect(arrived()).to.deep.equal([['levels', true]]);
    expect(levels.map(each => [each.level, each.name, each.fingerprint?.health])).to.deep.equal([
      ['environment', 'local', 'healthy'],
      ['executor', 'process', 'degraded'],
    ]);
    expect(levels[1]?.fingerprint?.findings).to.deep.equal(SAMPLE_LEVELS[1]?.fingerprint?.findings);
    const capabilities = await service.client.getCapabilities('web');
    expect(capabilities.available).to.deep.equal([{ tag: 'run', level: 'executor', name: 'process' }]);
    expect(capabilities.withheld).to.deep.equal([
      { tag: 'bind', level: 'executor', name: 'process', reason: 'cgroup-freezer: no' },
    ]);
    expect(capabilities.mechanisms.map(each => [each.mechanism, each.chosen])).to.deep.equal([
      ['exit-code', true],
    ]);
  });
});
