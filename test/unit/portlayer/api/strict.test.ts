import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import {
  type Decoded,
  loadRequestTypes,
  strictDeserializer,
} from '../../../../portlayer/api/strict-decoder.js';
import { startTestService } from './test-service.js';

const types = loadRequestTypes();
const create = types.lookupType('portlayer.execution.v1.CreateContainerRequest');
const decode = strictDeserializer(create, bytes => create.decode(bytes));

function encode(value: object): Buffer {
  return Buffer.from(create.encode(create.fromObject(value)).finish());
}

/** Appends a varint field of this number. */
function withField(bytes: Buffer, number: number): Buffer {
  return Buffer.concat([
    bytes,
    protobuf.Writer.create()
      .uint32(number << 3)
      .uint32(1)
      .finish(),
  ]);
}

/** A length-delimited field around bytes. */
function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.from(
    protobuf.Writer.create()
      .uint32((number << 3) | 2)
      .bytes(bytes)
      .finish(),
  );
}

function problemOf(decoded: Decoded<unknown>): string {
  return 'problem' in decoded ? `${decoded.problem.code} ${decoded.problem.found}` : 'fine';
}

describe('strict decoding', () => {
  it('takes a legal request', () => {
    const request = {
      requestId: 'r',
      spec: {
        name: 'a',
        labels: { k: 'v' },
        resources: { cpus: 0.5, memoryBytes: 5 },
        task: { argv: ['x'] },
      },
    };
    expect(problemOf(decode(encode(request)))).to.equal('fine');
  });

  it('names the message and the number of an unknown field, at any depth', () => {
    expect(problemOf(decode(withField(encode({}), 99)))).to.equal(
      'INVALID_SPEC field 99 of portlayer.execution.v1.CreateContainerRequest',
    );
    const user = field(4, withField(Buffer.alloc(0), 7));
    expect(problemOf(decode(field(2, field(6, user))))).to.equal(
      'INVALID_SPEC field 7 of portlayer.execution.v1.User',
    );
    const entry = field(2, withField(Buffer.from(field(1, Buffer.from('k'))), 3));
    expect(problemOf(decode(field(2, entry)))).to.match(/field 3 of an entry of .*ContainerSpec\.labels/);
    const group = Buffer.from([((50 << 3) & 0x7f) | 0x83, 0x03, 0x08, 0x01, ((50 << 3) & 0x7f) | 0x84, 0x03]);
    expect(problemOf(decode(group))).to.match(/field 50 of .*CreateContainerRequest/);
  });

  it('refuses bytes that are no such message', () => {
    const cases: Record<string, Buffer> = {
      'cut short': Buffer.from([0x0a, 0x05, 0x61]),
      'wire type': Buffer.from([0x08, 0x01]),
      'field number 0': Buffer.from([0x00, 0x01]),
      'is not UTF-8': field(1, Buffer.from([0xff, 0xfe])),
      'runs over its end': field(2, Buffer.from([0x52, 0x02, 0x08])).fill(0x7f, 3, 4),
    };
    for (const bytes of Object.values(cases)) expect(problemOf(decode(bytes))).to.match(/^INVALID_SPEC /);
  });

  it('refuses endless nesting without overflowing the stack', () => {
    let value = field(1, Buffer.alloc(0));
    for (let i = 0; i < 3000; i++) value = field(6, field(1, value));
    expect(problemOf(decode(field(2, field(14, value))))).to.match(/^INVALID_SPEC /);
    expect(problemOf(decode(Buffer.alloc(100_000, ((60 << 3) & 0x7f) | 0x83)))).to.match(/^INVALID_SPEC /);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const decoded = decode(Buffer.from(bytes));
        return 'message' in decoded || decoded.problem.code === 'INVALID_SPEC';
      }),
      { numRuns: 5000 },
    );
  });

  it('takes what protobuf encodes, and refuses it with one unknown field at the end', () => {
    const spec = fc.record({
      name: fc.string(),
      labels: fc.dictionary(
        fc.string({ minLength: 1 }).filter(key => key !== '__proto__'),
        fc.string(),
      ),
      task: fc.record({
        argv: fc.array(fc.string()),
        exitCode: fc.record({ checkpoint: fc.nat(255), signal: fc.string() }),
      }),
      volumes: fc.array(fc.record({ source: fc.string(), readOnly: fc.boolean() })),
      trigger: fc.record({ mechanisms: fc.array(fc.string()) }),
      network: fc.nat(2),
    });
    fc.assert(
      fc.property(spec, fc.integer({ min: 20, max: 500_000 }), (value, number) => {
        const bytes = encode({ spec: value });
        return 'message' in decode(bytes) && 'problem' in decode(withField(bytes, number));
      }),
    );
  });
});

describe('bad requests at the service', () => {
  async function raw(address: string, method: string, bytes: Buffer): Promise<ServiceError> {
    const client = new Client(address, credentials.createInsecure());
    try {
      return await new Promise((resolve, reject) => {
        const path = `/portlayer.execution.v1.Execution/${method}`;
        client.makeUnaryRequest(
          path,
          (b: Buffer) => b,
          b => b,
          bytes,
          new Metadata(),
          error => (error ? resolve(error) : reject(new Error('it was taken'))),
        );
      });
    } finally {
      client.close();
    }
  }

  it('answers INVALID_ARGUMENT to unknown fields, malformed bytes and bad values, and goes on', async () => {
    await using service = await startTestService();
    const cases: [string, Buffer, RegExp][] = [
      [
        'CreateContainer',
        withField(encode({}), 99),
        /field 99 of portlayer\.execution\.v1\.CreateContainerRequest/,
      ],
      ['CreateContainer', Buffer.from([0xff]), /not a well-formed/],
      ['CreateContainer', Buffer.alloc(0), /spec must be given/],
      ['CreateContainer', encode({ spec: { task: { argv: ['x'] } } }), /spec\.name must be given/],
      ['CreateContainer', encode({ spec: { name: 'a', task: {} } }), /spec\.task\.argv/],
      [
        'CreateContainer',
        encode({ spec: { name: 'a', task: { argv: ['x'] }, network: 9 } }),
        /network must be one of host, none/,
      ],
      [
        'CreateContainer',
        encode({ spec: { name: 'a', task: { argv: ['x'], exitCode: { signalTimeout: { seconds: -1 } } } } }),
        /signal_timeout/,
      ],
      [
        'CreateContainer',
        encode({
          spec: { name: 'a', task: { argv: ['x'] }, resources: { memoryBytes: '18446744073709551615' } },
        }),
        /memory_bytes/,
      ],
      [
        'CreateContainer',
        encode({ requestId: 'x'.repeat(129), spec: { name: 'a', task: { argv: ['x'] } } }),
        /request_id/,
      ],
      ['StartContainer', Buffer.alloc(0), /name must be given/],
      ['ListContainers', Buffer.from([0x08, 0xe9, 0x07]), /page_size must be 1 to 1000/],
      ['ListContainers', Buffer.from([0x1a, 0x01, 0x63]), /states must be one of/],
      ['UpdateContainer', field(2, Buffer.from('web')), /generation/],
    ];
    for (const [method, bytes, expected] of cases) {
      const error = await raw(service.address, method, bytes);
      expect([error.code, error.details]).to.satisfy(
        ([code, text]: [number, string]) => code === status.INVALID_ARGUMENT && expected.test(text),
        `${method} ${expected}: ${error.message}`,
      );
    }
    expect(service.calls).to.deep.equal([]);
    expect((await service.client.getContainer('web')).state).to.equal('running');
    expect(service.logged).to.deep.equal([]);
  });

  it('refuses a message over 4 MiB and goes on', async () => {
    await using service = await startTestService();
    const error = await raw(service.address, 'StartContainer', field(2, Buffer.alloc(5 * 1024 * 1024, 97)));
    expect(error.code).to.equal(status.RESOURCE_EXHAUSTED);
    expect((await service.client.getContainer('web')).state).to.equal('running');
  });
});
