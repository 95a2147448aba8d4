import { expect } from 'chai';
import { parseListener } from '../../../portlayer/listen-config.js';

const tls = { cert: '/c', key: '/k', clientCa: '/a' };

describe('where a service listens, as it is written', () => {
  it('is a unix socket with its roles, mode and group', () => {
    expect(parseListener('unix:/run/p.sock', {})).to.deep.equal({ path: '/run/p.sock' });
    expect(parseListener('unix:/run/p.sock,role=operate+restore,mode=0660,group=0', {})).to.deep.equal({
      path: '/run/p.sock',
      roles: ['operate', 'restore'],
      mode: 0o660,
      gid: 0,
    });
  });

  it('is a port, which needs certificates', () => {
    const listener = { host: '0.0.0.0', port: 7443, tls };
    expect(parseListener('tcp:0.0.0.0:7443', { tls })).to.deep.equal(listener);
    expect(parseListener('tcp://[::1]:1', { tls })).to.deep.equal({ host: '::1', port: 1, tls });
    expect(() => parseListener('tcp:0.0.0.0:7443', {}))
      .to.throw()
      .that.includes({ code: 'INVALID_SPEC' });
  });

  for (const written of [
    '',
    'unix:relative',
    'unix:/p,role=king',
    'unix:/p,mode=9',
    'unix:/p,mode=0660x',
    'unix:/p,group=no such group',
    'unix:/p,colour=red',
    'tcp:host',
    'tcp:host:99999',
    'tcp:host:1,role=admin',
    'http://host:1',
  ]) {
    it(`is not ${JSON.stringify(written)}`, () => {
      expect(() => parseListener(written, { tls }))
        .to.throw()
        .that.includes({ code: 'INVALID_SPEC' });
    });
  }
});
