import type { Client } from 'ssh2';
import { PortLayerError } from '../../errors/port-layer-error.js';
import { quoteCommand } from './quote.js';

/** Whose lease, of what. */
export interface LeaseOptions {
  readonly name: string;
  readonly initBinary: string;
  /** The file that is locked on the host. */
  readonly file: string;
  readonly owner: string;
}

/**
 * Takes the lease of a state directory for as long as the connection lives; see `lease.c`. What an earlier connection
 * of the same owner began there is ended first. A lease that is lost ends the connection. Throws EXECUTOR_UNAVAILABLE
 * with the reason `lease` where another service works there.
 */
export function holdLease(client: Client, options: LeaseOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const line = quoteCommand([options.initBinary, 'lease', options.file, options.owner]);
    client.exec(line, (caught, channel) => {
      if (caught) return reject(caught);
      let said = '';
      channel.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(0, 1000);
        if (/^LEASED /m.test(said)) resolve();
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(0, 1000);
      });
      channel.on('error', () => {});
      channel.once('close', () => {
        reject(refused(options, said.trim()));
        client.end();
      });
    });
  });
}

function refused(options: LeaseOptions, said: string): PortLayerError {
  const [, owner, since] = /^HELD owner=(\S*) session=\d+ since=(\d+)/m.exec(said) ?? [];
  const facts = { host: options.name, reason: owner === undefined ? 'lease-lost' : 'lease' };
  if (owner === undefined) {
    return new PortLayerError(
      'EXECUTOR_UNAVAILABLE',
      `The lease on the host ${options.name} cannot be held.`,
      {
        found: said || 'it ended',
        remedy: 'Repeat the call.',
        facts,
      },
    );
  }
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `Another service works on the host ${options.name}.`, {
    required: `the lease ${options.file}`,
    found: `service ${owner} has it since ${new Date(Number(since) * 1000).toISOString()}`,
    remedy: 'Stop that service, or give this one a stateDirectory of its own on the host.',
    facts: { ...facts, owner },
  });
}
