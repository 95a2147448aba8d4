import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startTestService } from '../api/test-service.js';

const run = promisify(execFile);
const BIN = 'portlayer/cli/bin.ts';

describe('the executable', () => {
  it('finds the service by its environment, and ends quietly when its reader has gone', async () => {
    await using service = await startTestService({
      async *logs() {
        for (let line = 0; ; line++)
          yield { stream: 'stdout' as const, atMs: 0, text: `line ${line}`, endsLine: true };
      },
    });
    const env = { ...process.env, PORTLAYER_ADDRESS: service.address };
    const ps = await run(process.execPath, ['--import=tsx', BIN, 'ps', '-q'], { env });
    expect(ps).to.deep.equal({ stdout: 'web\n', stderr: '' });
    const piped = await run(
      'sh',
      ['-c', `"$0" --import=tsx ${BIN} logs -f web | head -n 2`, process.execPath],
      { env },
    );
    expect(piped).to.deep.equal({ stdout: 'line 0\nline 1\n', stderr: '' });
  });

  it('exits with the command’s code', async () => {
    await using service = await startTestService();
    const argv = ['--import=tsx', BIN, '--address', service.address, 'exec', 'web', 'false'];
    const code = await run(process.execPath, argv).then(
      () => 0,
      (error: { code: number }) => error.code,
    );
    expect(code).to.equal(3);
  });
});
