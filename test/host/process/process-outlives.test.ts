import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { processExecutor } from '../../../executors/process/plugin.js';
import { createLocalEnvironment } from '../../../portlayer/environments/local/local-environment.js';
import { deadline } from '../../conformance/bench.js';
import { initBinary } from './subject.js';

describe('a container', function () {
  this.timeout(30_000);

  it('outlives the service and the whole process group of the service', async () => {
    const stateDirectory = `/var/tmp/pl-outlives-${process.pid}`;
    const script = fileURLToPath(new URL('./start-one.ts', import.meta.url));
    const service = spawn(process.execPath, ['--import', 'tsx', script, stateDirectory, initBinary], {
      detached: true,
    });
    const uid = await new Promise<string>(resolve =>
      service.stdout.once('data', data => resolve(String(data).trim())),
    );
    process.kill(-(service.pid ?? 0), 'SIGKILL');
    await sleep(300);
    const environment = await createLocalEnvironment({ stateDirectory, initBinary });
    const executor = await processExecutor.create({}, { environment, log: () => {} });
    try {
      expect(await executor.recover(uid, executor.handleFor(uid), deadline())).to.equal('running');
      await executor.stop(uid, 5_000);
      expect((await executor.wait(uid, deadline())).code).to.equal(21);
    } finally {
      await executor.destroy(uid);
      await executor[Symbol.asyncDispose]();
      rmSync(stateDirectory, { recursive: true, force: true });
    }
  });

  it('is told as lost when its monitor was killed, and nothing of it is left after a destroy', async () => {
    const stateDirectory = `/var/tmp/pl-lost-${process.pid}`;
    const environment = await createLocalEnvironment({ stateDirectory, initBinary });
    const executor = await processExecutor.create({}, { environment, log: () => {} });
    const { startOne } = await import('./start-one.js');
    const uid = await startOne(executor);
    try {
      const pid = Number(
        await environment.host?.files.read(`${stateDirectory}/containers/${uid}/monitor.pid`),
      );
      process.kill(pid, 'SIGKILL');
      const exit = await executor.wait(uid, deadline());
      expect([exit.code, exit.failure === undefined]).to.deep.equal([137, false]);
    } finally {
      await executor.destroy(uid);
      await executor[Symbol.asyncDispose]();
      rmSync(stateDirectory, { recursive: true, force: true });
    }
  });
});
