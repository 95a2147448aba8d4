import { environmentSuite } from '../../conformance/conformance.js';
import { remoteEnvironment } from './remote-environment.js';
import { whyNoSshd } from './sshd.js';

const skip = whyNoSshd();
if (skip === undefined) {
  environmentSuite('ssh', () => remoteEnvironment());
} else {
  describe('environment ssh', () => {
    it(`is skipped: ${skip}`, function () {
      this.skip();
    });
  });
}
