import type { Client } from 'ssh2';
import type { Finished } from '../../plugin/host.js';
import { quoteCommand } from './quote.js';

/** Runs a command on a connection that is not prepared yet: without the init, with the login's own environment. */
export function runBare(client: Client, argv: readonly string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    client.exec(quoteCommand(argv), (caught, channel) => {
      if (caught) return reject(caught);
      const output = { stdout: '', stderr: '' };
      let code = 255;
      channel.on('data', (chunk: Buffer) => {
        output.stdout += chunk.toString();
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        output.stderr += chunk.toString();
      });
      channel.once('exit', (found: number | null) => {
        code = found ?? 255;
      });
      channel.once('close', () => resolve({ code, ...output }));
      channel.on('error', () => {});
      channel.end();
    });
  });
}
