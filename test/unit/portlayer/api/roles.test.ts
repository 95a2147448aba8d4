import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_MAPPING, peerOf } from '../../../../portlayer/api/certificate-roles.js';
import type { Listener } from '../../../../portlayer/api/listener.js';
import { RIGHTS, ROLES, type Role, refusal } from '../../../../portlayer/api/roles.js';
import { type ApiServer, createApiServer } from '../../../../portlayer/api/server.js';
import { type Client, createClient, PortLayerError } from '../../../../portlayer/client/client.js';
import { loadExecutionPackage } from '../../../../proto/load.js';
import { type Authority, type CertificateFiles, makeAuthority, whyNoCertificates } from './certificates.js';
import { scriptedDispatch } from './scripted-dispatch.js';

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (caught: unknown) => PortLayerError.from(caught).code,
  );
const drain = async (items: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of items);
};

/** One call that needs each role, and the roles it is refused to. */
const CALLS: readonly (readonly [string, (client: Client) => Promise<unknown>, readonly Role[]])[] = [
  ['GetContainer', c => c.getContainer('web'), []],
  ['ListLevels', c => c.listLevels(), []],
  ['StreamEvents', c => drain(c.streamEvents({ since: 1, follow: false })), []],
  ['StopContainer', c => c.stopContainer('web'), ['read', 'restore']],
  ['CreateCheckpoint', c => drain(c.createCheckpoint('web')), ['read', 'restore']],
  ['RestoreCheckpoint', c => c.restoreCheckpoint('web:warm'), ['read', 'operate']],
  ['Fork of a checkpoint', c => drain(c.fork({ checkpoint: 'web:warm' })), ['read', 'operate']],
  ['Fork of a container', c => drain(c.fork({ container: 'web' })), ['read', 'operate', 'restore']],
  ['PublishCheckpoint', c => c.publishCheckpoint('web:warm', 'web:new'), ['read', 'operate', 'restore']],
  ['RemoveCheckpoint', c => c.removeCheckpoint('web:warm'), ['read', 'operate', 'restore']],
  ['ExecContainer', c => drain(c.execContainer('web', { argv: ['x'] })), ['read', 'restore']],
];

describe('the table of rights', () => {
  it('has an entry for every call of every service, and for nothing else', () => {
    const definitions = loadExecutionPackage();
    const declared = ['Execution', 'Levels'].flatMap(service =>
      Object.keys(definitions[`portlayer.execution.v1.${service}`] as object),
    );
    expect(Object.keys(RIGHTS).sort()).to.deep.equal(declared.sort());
  });

  it('gives admin everything, and nobody anything of a call that it does not name', () => {
    const roles = fc.subarray([...ROLES]);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(RIGHTS)), roles, (rpc, held) => {
        const peer = { who: 'api', roles: held };
        if (held.includes('admin')) expect(refusal(peer, rpc, {})).to.equal(undefined);
        if (held.length === 0) expect(refusal(peer, rpc, {})?.code).to.equal('PERMISSION_DENIED');
        expect(refusal(peer, 'NewCall', {}) === undefined).to.equal(held.includes('admin'));
        // A further role takes nothing away.
        if (!refusal(peer, rpc, {}))
          for (const more of ROLES)
            expect(refusal({ who: '', roles: [...held, more] }, rpc, {})).to.equal(undefined);
      }),
    );
  });
});

describe('the roles of a certificate', () => {
  const roles = (
    subject: Record<string, string | string[]>,
    subjectaltname = '',
    mapping = DEFAULT_MAPPING,
  ) => peerOf({ subject: subject as never, subjectaltname }, mapping).roles;

  it('are its organizational units, or its alternative names', () => {
    expect(roles({ CN: 'a', OU: 'read' })).to.deep.equal(['read']);
    expect(roles({ CN: 'a', OU: ['restore', 'operate'] })).to.deep.equal(['operate', 'restore']);
    expect(roles({ CN: 'a' }, 'DNS:x, URI:portlayer:role:admin')).to.deep.equal(['admin']);
    expect(roles({ CN: 'admin', OU: 'Admin' })).to.deep.equal([]);
    expect(roles({})).to.deep.equal([]);
  });

  it('are what the configuration says, where it says', () => {
    const mapping = [
      { ou: 'ops', cn: 'alice', roles: ['admin' as const] },
      { san: 'URI:spiffe://here/ci', roles: ['restore' as const] },
      { roles: ['admin' as const] },
    ];
    expect(roles({ CN: 'alice', OU: 'ops' }, '', mapping)).to.deep.equal(['admin']);
    expect(roles({ CN: 'bob', OU: 'ops' }, '', mapping)).to.deep.equal([]);
    expect(roles({ CN: 'x', OU: 'admin' }, 'URI:spiffe://here/ci', mapping)).to.deep.equal(['restore']);
  });

  it('come with a name that is safe to write into the audit', () => {
    expect(peerOf({ subject: { CN: 'eve\n{"who":"root"}\u202e' } as never }, []).who).to.equal(
      'api eve?{"who":"root"}?',
    );
  });
});

describe('a socket for each role', () => {
  let directory: string;
  let server: ApiServer;
  const refused: string[] = [];
  const clients: Client[] = [];
  const path = (role: string) => join(directory, `${role}.sock`);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portlayer-roles-'));
    await chmod(directory, 0o755);
    server = await createApiServer({
      dispatch: scriptedDispatch().dispatch,
      listen: ROLES.map((role): Listener => ({ path: path(role), mode: 0o660, roles: [role] })),
      log: () => {},
      refused: (who, rpc) => refused.push(`${who} ${rpc}`),
    });
  });
  after(async () => {
    for (const client of clients) client.close();
    await server.stop(100);
    await rm(directory, { recursive: true, force: true });
  });

  for (const role of ROLES) {
    it(`lets ${role} make exactly the calls of its role`, async () => {
      expect((await stat(path(role))).mode & 0o777).to.equal(0o660);
      const client = createClient({ address: `unix:${path(role)}` });
      clients.push(client);
      for (const [name, call, denied] of CALLS)
        expect(await codeOf(call(client)), `${role}: ${name}`).to.equal(
          denied.includes(role) ? 'PERMISSION_DENIED' : 'done',
        );
    });
  }

  it('says what would be needed, and tells whoever audits', async () => {
    const error = await clients[0]!
      .stopContainer('web')
      .catch((caught: unknown) => PortLayerError.from(caught));
    expect(error).to.deep.include({ code: 'PERMISSION_DENIED', required: 'operate', found: 'read' });
    expect(refused).to.include('api StopContainer').and.include('api Fork');
  });
});

describe('a port with certificates on both sides', () => {
  let authority: Authority;
  let stranger: Authority;
  let server: ApiServer;
  let service: CertificateFiles;
  let address: string;
  const certificates = new Map<string, CertificateFiles>();
  const refused: string[] = [];

  before(async function () {
    const missing = whyNoCertificates();
    if (missing) {
      console.log(`    skipped: ${missing}`);
      this.skip();
    }
    authority = makeAuthority();
    stranger = makeAuthority();
    service = authority.issue('service', '/CN=localhost', { san: 'DNS:localhost,IP:127.0.0.1' });
    for (const role of ROLES) certificates.set(role, authority.issue(role, `/CN=${role}-caller/OU=${role}`));
    certificates.set('both', authority.issue('both', '/CN=both/OU=operate/OU=restore'));
    certificates.set('none', authority.issue('none', '/CN=none/OU=sales'));
    certificates.set('expired', authority.issue('expired', '/CN=old/OU=admin', { days: -1 }));
    certificates.set('stranger', stranger.issue('stranger', '/CN=eve/OU=admin'));
    server = await createApiServer({
      dispatch: scriptedDispatch().dispatch,
      listen: [{ host: 'localhost', port: 0, tls: { ...service, clientCa: authority.ca } }],
      log: () => {},
      refused: (who, rpc, why) => refused.push(`${who} ${rpc} ${why}`),
    });
    address = `tcp:localhost:${server.ports[0]}`;
  });
  after(async () => {
    await server?.stop(100);
    authority?.remove();
    stranger?.remove();
  });

  const as = (name: string, ca = authority.ca) =>
    createClient({ address, tls: { ca, ...certificates.get(name)! } });

  for (const role of [...ROLES, 'both', 'none']) {
    it(`lets a certificate of ${role} make exactly the calls of its role`, async () => {
      await using client = as(role);
      for (const [name, call, denied] of CALLS) {
        const held = role === 'both' ? ['operate', 'restore'] : [role];
        const may =
          role === 'both'
            ? name !== 'PublishCheckpoint' && name !== 'RemoveCheckpoint'
            : role !== 'none' && !denied.includes(held[0] as Role);
        expect(await codeOf(call(client)), `${role}: ${name}`).to.equal(may ? 'done' : 'PERMISSION_DENIED');
      }
    });
  }

  it('names the certificate of who was refused', () => {
    expect(refused.some(line => line.startsWith('api read-caller StopContainer'))).to.equal(true);
  });

  it('refuses an expired certificate before it calls, and says until when it was valid', () => {
    expect(() => as('expired'))
      .to.throw()
      .that.includes({ code: 'PERMISSION_DENIED' })
      .and.has.property('message')
      .that.contains('has expired');
  });

  it('takes no caller that another authority has signed, nor one without a certificate', async () => {
    await using client = as('stranger', authority.ca);
    expect(await codeOf(client.listLevels())).to.equal('EXECUTOR_UNAVAILABLE');
    expect(() => createClient({ address }))
      .to.throw()
      .that.includes({ code: 'INVALID_SPEC' });
  });

  it('is not believed by a caller that trusts another authority', async () => {
    await using client = as('admin', stranger.ca);
    const error = await client.listLevels().catch((caught: unknown) => PortLayerError.from(caught));
    expect(error).to.include({ code: 'EXECUTOR_UNAVAILABLE' });
    expect((error as PortLayerError).remedy).to.contain('--tls-ca');
  });

  it('is not opened with an expired certificate, with a key of another, or where the port is taken', async () => {
    const attempt = (listen: Listener) =>
      createApiServer({ dispatch: scriptedDispatch().dispatch, listen: [listen], log: () => {} }).then(
        () => expect.fail('it should have been refused'),
        (caught: PortLayerError) => caught,
      );
    const expired = certificates.get('expired')!;
    const tls = { ...expired, clientCa: authority.ca };
    expect(await attempt({ host: 'localhost', port: 0, tls })).to.include({ code: 'INVALID_SPEC' });
    const mixed = { cert: service.cert, key: expired.key, clientCa: authority.ca };
    expect(await attempt({ host: 'localhost', port: 0, tls: mixed })).to.include({ code: 'INVALID_SPEC' });
    const taken = { host: 'localhost', port: server.ports[0]!, tls: { ...service, clientCa: authority.ca } };
    expect(await attempt(taken)).to.include({ code: 'WRONG_STATE' });
  });
});
