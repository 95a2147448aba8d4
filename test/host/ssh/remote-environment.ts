import { createSshEnvironment } from '../../../portlayer/environments/ssh/ssh-environment.js';
import type { SshConfig } from '../../../portlayer/environments/ssh/ssh-options.js';
import type { Environment } from '../../../portlayer/plugin/environment.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { initBinary } from '../process/subject.js';
import { type Sshd, type SshdOptions, startSshd } from './sshd.js';

/** An environment on a server of the tests' own. */
export interface RemoteEnvironment {
  readonly sshd: Sshd;
  readonly environment: Environment;
  readonly host: Host;
  readonly stateDirectory: string;
  cleanUp(): Promise<void>;
}

/** Starts a server, and an environment on it that has been reached. */
export async function remoteEnvironment(
  config: Partial<SshConfig> = {},
  options: SshdOptions = {},
): Promise<RemoteEnvironment> {
  const sshd = await startSshd(options);
  const stateDirectory = `${sshd.directory}/state`;
  const environment = createSshEnvironment({
    name: 'there',
    config: { ...sshd.config, stateDirectory, ...config },
    initBinary,
    owner: 'tests',
    log: () => {},
  });
  const host = environment.host as Host;
  await host.untilReachable?.(AbortSignal.timeout(60_000));
  const cleanUp = async () => {
    await environment[Symbol.asyncDispose]();
    await sshd.remove();
  };
  return { sshd, environment, host, stateDirectory, cleanUp };
}
