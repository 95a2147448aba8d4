import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Fingerprint } from '../../model/capability.js';
import type { Environment } from '../../plugin/environment.js';
import { fingerprintHost } from '../fingerprint/host-findings.js';
import { repeatFingerprint } from '../fingerprint/repeat-fingerprint.js';
import { connectThrough } from './connect.js';
import { type KeptConnection, keepConnection } from './keep-connection.js';
import { type PreparedHost, prepareHost } from './prepare-host.js';
import { resolveTarget } from './resolve-target.js';
import { createSshHost } from './ssh-host.js';
import type { SshConfig } from './ssh-options.js';

/** What an environment of kind `ssh` is made with. */
export interface SshEnvironmentOptions {
  /** The environment's name in the configuration. */
  readonly name: string;
  readonly config: SshConfig;
  /** Absolute path of `portlayer-init` on this machine. */
  readonly initBinary: string;
  /** The service's id: letters, digits and `-`, at most 64. At most one service at a time works in a state directory of the host. */
  readonly owner: string;
  readonly log: (message: string) => void;
}

const refreshMs = 30_000;

/**
 * The environment of kind `ssh`: a remote Linux host. Begins to connect at once and does not wait for it: a host that
 * cannot be reached shows in the fingerprint, and is tried again for ever. Disposing ends the connection, and nothing
 * that runs there.
 */
export function createSshEnvironment(options: SshEnvironmentOptions): Environment {
  const { name, config } = options;
  const times = { connectMs: config.connectMs ?? 10_000, keepAliveMs: config.keepAliveMs ?? 5000 };
  let found: PreparedHost | undefined;
  const connection: KeptConnection = keepConnection({
    connect: async signal => connectThrough(await resolveTarget(config), times, signal),
    prepare: async client => {
      found = await prepareHost(client, options);
    },
    patienceMs: config.patienceMs ?? 10_000,
    log: options.log,
  });
  const host = createSshHost({
    name,
    connection,
    commandsAtOnce: config.commandsAtOnce ?? 8,
    prepared: () => {
      if (found) return found;
      throw (
        connection.down() ?? new PortLayerError('EXECUTOR_UNAVAILABLE', `The host ${name} was never reached.`)
      );
    },
  });
  const look = async (signal: AbortSignal): Promise<Fingerprint> => {
    try {
      await connection.client(signal);
      return await fingerprintHost(host, signal);
    } catch (caught) {
      const why = PortLayerError.from(caught);
      if (why.code !== 'EXECUTOR_UNAVAILABLE') throw caught;
      return unreachable(name, why);
    }
  };
  return {
    name,
    kind: 'ssh',
    capabilities: ['host'],
    host,
    fingerprint: signal => repeatFingerprint(() => look(signal), refreshMs, signal),
    async [Symbol.asyncDispose]() {
      connection.close();
    },
  };
}

function unreachable(name: string, why: PortLayerError): Fingerprint {
  return {
    level: 'environment',
    name,
    health: 'unusable',
    description: `${why.message}${why.found === undefined ? '' : ` (${why.found})`}`,
    findings: [
      {
        key: 'link',
        value: 'down',
        reason: why.found ?? why.message,
        ...(why.remedy === undefined ? {} : { remedy: why.remedy }),
      },
    ],
  };
}
