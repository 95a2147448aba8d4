import { expect } from 'chai';
import { statusOf } from '../../../../portlayer/api/status.js';
import { PortLayerError as ClientError } from '../../../../portlayer/client/client.js';
import { ERROR_CODES, PortLayerError } from '../../../../portlayer/errors/port-layer-error.js';
import { startTestService } from './test-service.js';

async function caughtFrom(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise;
  } catch (caught) {
    if (caught instanceof ClientError) return caught;
    throw caught;
  }
  throw new Error('nothing was thrown');
}

describe('errors on their way to the client', () => {
  for (const code of ERROR_CODES.filter(each => each !== 'INTERNAL')) {
    it(`${code} arrives with its message, required, found, remedy and facts`, async () => {
      const details = {
        required: 'r ☃',
        found: 'f',
        remedy: 'Do.',
        facts: { name: 'web', phase: 'dumping' },
      };
      await using service = await startTestService({
        getContainer: async () => Promise.reject(new PortLayerError(code, 'It is so: ☃', details)),
      });
      const error = await caughtFrom(service.client.getContainer('web'));
      expect(error).to.deep.include({ code, message: 'It is so: ☃', ...details });
      expect(service.logged).to.deep.equal([]);
    });
  }

  it('maps every code to the status of the design', () => {
    const map = Object.fromEntries(ERROR_CODES.map(code => [code, statusOf(new PortLayerError(code, ''))]));
    expect(map).to.deep.equal({
      INVALID_SPEC: 3,
      NOT_FOUND: 5,
      ALREADY_EXISTS: 6,
      CAPABILITY_MISSING: 12,
      CONSTRAINT_UNMET: 9,
      WRONG_STATE: 9,
      OPERATION_PENDING: 10,
      STALE_GENERATION: 10,
      TRIGGER_DENIED: 7,
      PERMISSION_DENIED: 7,
      STORE_FULL: 8,
      QUOTA_EXCEEDED: 8,
      RATE_LIMITED: 8,
      EXECUTOR_UNAVAILABLE: 14,
      QUIESCE_TIMEOUT: 4,
      CHECKPOINT_CORRUPT: 15,
      CANCELED: 1,
      INTERNAL: 13,
    });
    expect(statusOf(new PortLayerError('CAPABILITY_MISSING', '', { facts: { placement: 'x' } }))).to.equal(9);
  });

  it('scrubs an internal error: the client sees an id, the log the cause', async () => {
    await using service = await startTestService({
      getContainer: async () => Promise.reject(new Error('password is hunter2')),
    });
    const error = await caughtFrom(service.client.getContainer('web'));
    expect(error.code).to.equal('INTERNAL');
    expect(error.message).to.match(/^internal error, id [0-9a-f]{8}$/);
    expect(JSON.stringify(error)).not.to.contain('hunter2');
    expect(service.logged).to.have.lengthOf(1);
    expect(service.logged[0]).to.contain('hunter2').and.contain(error.facts.id);
  });

  it('scrubs the internal error of one copy of a fork', async () => {
    await using service = await startTestService({
      async *fork() {
        yield { index: 0, name: 'a', error: new Error('secret') };
      },
    });
    for await (const outcome of service.client.fork({ container: 'web' })) {
      expect(outcome).to.have.nested.property('failure.code', 'INTERNAL');
      expect(JSON.stringify(outcome)).not.to.contain('secret');
    }
    expect(service.logged[0]).to.contain('secret');
  });

  it('bounds a huge message and huge facts, and survives half a surrogate pair', async () => {
    const huge = `${'☃'.repeat(50_000)}\ud800`;
    await using service = await startTestService({
      getContainer: async () =>
        Promise.reject(
          new PortLayerError('WRONG_STATE', `\ud800${huge}`, {
            found: huge,
            remedy: 'Do.',
            facts: { a: huge, b: huge, c: huge, d: huge, e: 'e' },
          }),
        ),
    });
    const error = await caughtFrom(service.client.getContainer('web'));
    expect(error).to.deep.include({ code: 'WRONG_STATE', remedy: 'Do.' });
    expect(error.found).to.have.lengthOf(1000);
  });

  it('an error in the middle of a stream arrives after what came before it', async () => {
    await using service = await startTestService({
      async *logs() {
        yield { stream: 'stdout' as const, atMs: 0, text: 'first', endsLine: true };
        throw new PortLayerError('CHECKPOINT_CORRUPT', 'Torn.');
      },
    });
    const seen: string[] = [];
    const error = await caughtFrom(
      (async () => {
        for await (const entry of service.client.streamLogs('web')) seen.push(entry.text);
      })(),
    );
    expect([seen, error.code]).to.deep.equal([['first'], 'CHECKPOINT_CORRUPT']);
  });
});
