import { Agent, request } from 'node:https';
import { unreachable } from './unreachable.js';

/** One HTTP request to a vCenter. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** In milliseconds, for the whole of it. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What came back, whatever its status. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Kept-alive TLS connections to one vCenter. */
export interface Transport {
  /** `host` or `host:port`. */
  readonly server: string;
  /** Throws EXECUTOR_UNAVAILABLE, with the fact `uncertain` where the request may have been carried out; rejects with the signal's reason. */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** More than any answer has; a vCenter that sends more is not one. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * A transport to `server`. Its certificate is always verified: by `ca` (PEM) where that is given, else by what Node
 * trusts. There is no way to leave that out.
 */
export function createTransport(server: string, ca: string | undefined): Transport {
  const { hostname, port } = new URL(`https://${server}`);
  const agent = new Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) });

  function send(what: HttpRequest): Promise<HttpResponse> {
    const { method, path, body, deadlineMs } = what;
    return new Promise((resolve, reject) => {
      if (what.signal?.aborted) return reject(what.signal.reason);
      const outgoing = request({
        agent,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? 443 : Number(port),
        method,
        path,
        headers: {
          ...what.headers,
          ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
        },
      });
      const timer = setTimeout(
        () => outgoing.destroy(new Error(`no answer within ${deadlineMs} ms`)),
        deadlineMs,
      );
      const abort = () => outgoing.destroy(new Error('given up'));
      what.signal?.addEventListener('abort', abort, { once: true });
      const fail = (cause: Error) => {
        done();
        reject(what.signal?.aborted ? what.signal.reason : unreachable(server, cause, outgoing.reusedSocket));
      };
      const done = () => {
        clearTimeout(timer);
        what.signal?.removeEventListener('abort', abort);
      };
      outgoing.on('error', fail);
      outgoing.on('response', incoming => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > MAX_BYTES) outgoing.destroy(new Error('an answer without an end'));
        });
        incoming.on('error', fail);
        incoming.on('end', () => {
          done();
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
      outgoing.end(body);
    });
  }

  return { server, send, close: () => agent.destroy() };
}
