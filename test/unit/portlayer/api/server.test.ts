import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { createApiServer } from '../../../../portlayer/api/server.js';
import { createClient, type PortLayerError } from '../../../../portlayer/client/client.js';
import { scriptedDispatch } from './scripted-dispatch.js';
import { startTestService } from './test-service.js';

const run = promisify(execFile);
const log = () => {};

/** Buf's curl over the socket, with no proto at hand. */
async function bufCurl(socket: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('node_modules/.bin/buf', [
    'curl',
    '--unix-socket',
    socket,
    '--http2-prior-knowledge',
    '--protocol',
    'grpc',
    ...args,
  ]);
  return stdout;
}

describe('the socket of the API server', () => {
  it('has mode 0600 and is gone after a stop', async () => {
    await using service = await startTestService();
    expect((await stat(service.socket)).mode & 0o777).to.equal(0o600);
    await service.stop();
    expect(await stat(service.socket).catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ENOENT');
  });

  it('has the mode that is asked for', async () => {
    await using service = await startTestService();
    const path = `${service.directory}/group.sock`;
    const server = await createApiServer({
      dispatch: scriptedDispatch().dispatch,
      listen: [{ path, mode: 0o660 }],
      log,
    });
    expect((await stat(path)).mode & 0o777).to.equal(0o660);
    await server.stop(10);
  });

  it('replaces that of a dead service', async () => {
    await using service = await startTestService();
    const path = `${service.directory}/dead.sock`;
    await run(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]).catch(() => {});
    expect((await stat(path)).isSocket()).to.equal(true);
    const server = await createApiServer({ dispatch: scriptedDispatch().dispatch, listen: [{ path }], log });
    await using client = createClient({ address: `unix:${path}` });
    expect((await client.getContainer('web')).state).to.equal('running');
    await server.stop(10);
  });

  it('is refused where a live service has it, which goes on', async () => {
    await using service = await startTestService();
    const attempt = createApiServer({
      dispatch: scriptedDispatch().dispatch,
      listen: [{ path: service.socket }],
      log,
    });
    const error = await attempt.then(
      () => undefined,
      (caught: PortLayerError) => caught,
    );
    expect(error).to.deep.include({ code: 'WRONG_STATE', found: 'a running service' });
    expect((await service.client.getContainer('web')).state).to.equal('running');
  });

  it('is refused where a file is in the way, and where the path is too long', async () => {
    await using service = await startTestService();
    const path = `${service.directory}/file`;
    await writeFile(path, 'mine');
    for (const [bad, code] of [
      [path, 'WRONG_STATE'],
      [`/tmp/${'x'.repeat(100)}`, 'INVALID_SPEC'],
      ['relative', 'INVALID_SPEC'],
    ] as const) {
      const attempt = createApiServer({
        dispatch: scriptedDispatch().dispatch,
        listen: [{ path: bad }],
        log,
      });
      expect(
        await attempt.then(
          () => 'taken',
          (caught: PortLayerError) => caught.code,
        ),
      ).to.equal(code);
    }
  });
});

describe('calls that are cut off', () => {
  const forever = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

  it('cancelling a call reaches the dispatch', async () => {
    const aborted: string[] = [];
    await using service = await startTestService({
      waitContainer: async (_name, signal) => {
        signal.addEventListener('abort', () => aborted.push('wait'));
        return forever(signal);
      },
      createCheckpoint: async (_id, _request, _progress, signal) => {
        signal.addEventListener('abort', () => aborted.push('checkpoint'));
        return forever(signal);
      },
    });
    const cancel = new AbortController();
    const waiting = service.client.waitContainer('web', { signal: cancel.signal });
    const taking = (async () => {
      for await (const _ of service.client.createCheckpoint('web', {}, { signal: cancel.signal }));
    })();
    await sleep(50);
    cancel.abort();
    for (const call of [waiting, taking]) {
      expect(
        await call.then(
          () => 'done',
          (caught: PortLayerError) => caught.code,
        ),
      ).to.equal('CANCELED');
    }
    await sleep(50);
    expect(aborted.sort()).to.deep.equal(['checkpoint', 'wait']);
  });

  it('a deadline reaches the dispatch', async () => {
    let aborted = false;
    await using service = await startTestService({
      waitContainer: async (_name, signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return forever(signal);
      },
    });
    const call = service.client.waitContainer('web', { timeoutMs: 50 });
    expect(
      await call.then(
        () => 'done',
        (caught: PortLayerError) => caught.code,
      ),
    ).to.equal('CANCELED');
    await sleep(50);
    expect(aborted).to.equal(true);
  });

  it('leaving a stream ends its source', async () => {
    let ended = false;
    await using service = await startTestService({
      async *events(_since, _follow, signal) {
        try {
          for (let sequence = 1; ; sequence++) {
            yield { sequence, atMs: 0, subject: 'container' as const, id: 'a', type: 'running', facts: {} };
            await sleep(1, undefined, { signal });
          }
        } finally {
          ended = true;
        }
      },
    });
    for await (const event of service.client.streamEvents({ follow: true })) if (event.sequence === 3) break;
    await sleep(50);
    expect(ended).to.equal(true);
  });

  it('a slow reader holds the source back', async () => {
    let made = 0;
    await using service = await startTestService({
      async *logs() {
        for (;;) {
          made++;
          yield { stream: 'stdout' as const, atMs: 0, text: 'x'.repeat(10_000), endsLine: true };
        }
      },
    });
    const entries = service.client.streamLogs('web', { follow: true })[Symbol.asyncIterator]();
    await entries.next();
    await sleep(200);
    const before = made;
    await sleep(200);
    expect(made).to.equal(before);
    expect(made).to.be.lessThan(1000);
    await entries.return?.();
  });

  it('a stop ends what follows, lets the rest finish, and is bounded', async () => {
    const arrived: string[] = [];
    await using service = await startTestService({
      waitContainer: async (name, signal) => {
        arrived.push(name);
        return forever(signal);
      },
      startContainer: async () => {
        arrived.push('start');
        return new Promise(() => {});
      },
    });
    const codes = [service.client.waitContainer('web'), service.client.startContainer('web')].map(call =>
      call.then(
        () => 'done',
        (caught: PortLayerError) => caught.code,
      ),
    );
    while (arrived.length < 2) await sleep(5);
    // It ends at all, though one call never does.
    await service.stop(100);
    expect((await Promise.all(codes))[0]).to.equal('EXECUTOR_UNAVAILABLE');
  });
});

describe('a client whose service is not there', () => {
  it('fails at once with the remedy, or waits as long as it is told', async () => {
    await using service = await startTestService();
    const path = `${service.directory}/later.sock`;
    await using hasty = createClient({ address: `unix:${path}` });
    const error = await hasty.getContainer('web').then(
      () => undefined,
      (caught: PortLayerError) => caught,
    );
    expect(error?.code).to.equal('EXECUTOR_UNAVAILABLE');
    expect(error?.remedy).to.contain('portlayer serve');
    await using patient = createClient({ address: `unix:${path}`, waitForReadyMs: 5000 });
    const answer = patient.getContainer('web');
    await sleep(200);
    const server = await createApiServer({ dispatch: scriptedDispatch().dispatch, listen: [{ path }], log });
    expect((await answer).state).to.equal('running');
    await server.stop(10);
  });

  it('does not mistake another server for it', async () => {
    await using service = await startTestService();
    const path = `${service.directory}/other.sock`;
    const other = createServer(socket => socket.destroy()).listen(path);
    await once(other, 'listening');
    await using client = createClient({ address: `unix:${path}` });
    const code = await client.getContainer('web', { timeoutMs: 2000 }).then(
      () => 'done',
      (caught: PortLayerError) => caught.code,
    );
    expect(code).to.be.oneOf(['EXECUTOR_UNAVAILABLE', 'CANCELED']);
    other.close();
  });
});

describe('reflection and health, with no proto at hand', () => {
  it('lists the services and calls one', async () => {
    await using service = await startTestService();
    const url = 'http://localhost';
    const services = await bufCurl(service.socket, '--list-services', url);
    expect(services)
      .to.contain('portlayer.execution.v1.Execution')
      .and.contain('portlayer.execution.v1.Levels');
    const answer = await bufCurl(
      service.socket,
      '-d',
      '{"name":"web"}',
      `${url}/portlayer.execution.v1.Execution/GetContainer`,
    );
    expect(JSON.parse(answer)).to.have.nested.property('container.spec.name', 'web');
    const old = await bufCurl(service.socket, '--reflect-protocol', 'grpc-v1alpha', '--list-methods', url);
    expect(old).to.contain('portlayer.execution.v1.Execution/Fork');
  });

  it('says that it serves', async () => {
    await using service = await startTestService();
    const schema = ['--schema', 'node_modules/grpc-health-check/proto'];
    const url = 'http://localhost/grpc.health.v1.Health/Check';
    const answer = await bufCurl(
      service.socket,
      ...schema,
      '-d',
      '{"service":"portlayer.execution.v1.Execution"}',
      url,
    );
    expect(JSON.parse(answer)).to.deep.equal({ status: 'SERVING' });
  });
});
