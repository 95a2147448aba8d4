import type { Duplex } from 'node:stream';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { KeptConnection } from './keep-connection.js';
import { errno } from './sftp-calls.js';

/**
 * Connects to a unix stream socket of a remote host (direct-streamlocal@openssh.com). Rejects with an errno error where
 * nobody listens, EXECUTOR_UNAVAILABLE where the link is down, or the signal's reason.
 */
export async function connectRemote(
  connection: KeptConnection,
  socketPath: string,
  signal?: AbortSignal,
): Promise<Duplex> {
  const client = await connection.client(signal);
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const lost = () => reject(connection.down() ?? gone());
    const settle = () => {
      signal?.removeEventListener('abort', abort);
      client.off('close', lost);
    };
    signal?.addEventListener('abort', abort, { once: true });
    client.once('close', lost);
    const answer = (caught: Error | undefined, channel: Duplex) => {
      settle();
      if (caught) return reject(refusal(caught, socketPath));
      if (signal?.aborted) return void channel.destroy();
      channel.on('error', () => {}); // A reader that has none must not end the service.
      resolve(channel);
    };
    try {
      client.openssh_forwardOutStreamLocal(socketPath, answer);
    } catch {
      settle();
      lost(); // It was lost this moment.
    }
  });
}

/** The server tells one reason for all: nobody there, no such path, not allowed. */
function refusal(caught: Error, path: string): Error {
  const prohibited = (caught as { reason?: unknown }).reason === 1;
  if (!prohibited) return errno('ECONNREFUSED', path, caught.message);
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The host forwards no sockets.', {
    required: 'AllowStreamLocalForwarding yes',
    found: caught.message,
    remedy: 'Allow it in the sshd_config of the host.',
    facts: { reason: 'forwarding' },
  });
}

function gone(): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The connection to the host was lost.', {
    facts: { reason: 'cut' },
  });
}
