import { expect } from 'chai';
import { defaultAddress, defaultStateDirectory } from '../../../../portlayer/client/client.js';

describe('where a client looks for the service', () => {
  const kept = { ...process.env };
  afterEach(() => {
    process.env = { ...kept };
  });

  it('is what the environment says, the address before the state directory', () => {
    process.env.PORTLAYER_STATE_DIR = '/s';
    delete process.env.PORTLAYER_ADDRESS;
    expect(defaultAddress()).to.equal('unix:/s/portlayer.sock');
    process.env.PORTLAYER_ADDRESS = 'unix:/a';
    expect(defaultAddress()).to.equal('unix:/a');
  });

  it('is else the state directory of the user', () => {
    delete process.env.PORTLAYER_STATE_DIR;
    process.env.XDG_STATE_HOME = '/x';
    expect(defaultStateDirectory()).to.equal(
      process.getuid?.() === 0 ? '/var/lib/portlayer' : '/x/portlayer',
    );
  });
});
