import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import {
  keyDigest,
  keyType,
  parseKnownHosts,
} from '../../../../../portlayer/environments/ssh/known-hosts.js';

const wire = (type: string, body: string): Buffer => {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.from(body)]);
};
const one = wire('ssh-ed25519', 'one');
const two = wire('ssh-ed25519', 'two');
const line = (names: string, key: Buffer): string =>
  `${names} ${keyType(key)} ${key.toString('base64')} comment`;

describe('known hosts', () => {
  it('know a host by name, by address and by port', () => {
    const known = parseKnownHosts([line('build,10.0.0.7,[build]:2222', one)]);
    assert.equal(known.judge('build', 22, one), 'known');
    assert.equal(known.judge('BUILD', 22, one), 'known');
    assert.equal(known.judge('10.0.0.7', 22, one), 'known');
    assert.equal(known.judge('build', 2222, one), 'known');
    assert.equal(known.judge('build', 2223, one), 'unknown');
    assert.equal(known.judge('other', 22, one), 'unknown');
    assert.deepEqual(known.typesOf('build', 22), ['ssh-ed25519']);
  });

  it('tell a changed key and a revoked one from an unknown host', () => {
    const known = parseKnownHosts([`${line('build', one)}\n@revoked ${line('*', two)}`]);
    assert.equal(known.judge('build', 22, wire('ssh-ed25519', 'three')), 'changed');
    assert.equal(known.judge('build', 22, two), 'revoked');
    assert.equal(known.judge('other', 22, two), 'revoked');
  });

  it('read hashed names, patterns and exceptions, and pass over what they cannot read', () => {
    const salt = Buffer.from('0123456789abcdefghij');
    const hashed = createHmac('sha1', salt).update('secret.example').digest('base64');
    const known = parseKnownHosts([
      '# comment\n\nnonsense\n',
      line(`|1|${salt.toString('base64')}|${hashed}`, one),
      line('*.lab,!bad.lab', two),
    ]);
    assert.equal(known.judge('secret.example', 22, one), 'known');
    assert.equal(known.judge('a.lab', 22, two), 'known');
    assert.equal(known.judge('bad.lab', 22, two), 'unknown');
    assert.equal(known.judge('axlab', 22, two), 'unknown');
  });

  it('do not take a certificate authority for a key', () => {
    assert.equal(parseKnownHosts([`@cert-authority ${line('*', one)}`]).judge('x', 22, one), 'unknown');
  });

  it('show a key as ssh-keygen does', () => {
    assert.match(keyDigest(one), /^SHA256:[A-Za-z0-9+/]{43}$/);
  });
});
