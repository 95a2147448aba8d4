import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { isErrno, PortLayerError } from '../errors/port-layer-error.js';

/** Binds a server to a port, 0 for any that is free; resolves to the port. Throws WRONG_STATE where it is taken. */
export function bindTcp(
  server: Server,
  host: string,
  port: number,
  credentials: ServerCredentials,
): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (!error) return resolve(bound);
      const found = isErrno(error) ? (error.code ?? '') : error.message;
      reject(
        new PortLayerError('WRONG_STATE', `The service cannot listen on ${address}.`, {
          required: 'an address of this host with a free port',
          found,
          remedy: 'Choose another with --listen tcp:HOST:PORT, or end what has it.',
          facts: { address },
          cause: error,
        }),
      );
    });
  });
}

/** Binds a server to a unix socket. */
export function bindUnix(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
}
