import type { IHttpClient } from 'soap';
import type { Transport } from './transport.js';

/** What one call brings down to the request, through node-soap's options. */
export interface CallOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly cookie: string;
  /** Told the cookies that came with the answer. */
  readonly cookies?: (cookies: readonly string[]) => void;
}

/**
 * node-soap's way to the network: our transport, instead of its own with a certificate check that can be switched off.
 * Its callback is never called twice, and nothing it throws is lost.
 */
export function createSoapHttp(transport: Transport): IHttpClient {
  const client = {
    request(
      url: string,
      data: string,
      callback: (error: unknown, response?: unknown, body?: unknown) => void,
      headers: Record<string, string> = {},
      options: Partial<CallOptions> = {},
    ): Promise<void> {
      const { cookie = '', deadlineMs = 30_000, signal, cookies } = options;
      const sent = transport.send({
        method: 'POST',
        path: new URL(url).pathname,
        headers: { ...headers, ...(cookie === '' ? {} : { Cookie: cookie }) },
        body: data,
        deadlineMs,
        signal,
      });
      return sent.then(
        ({ status, headers: received, body }) => {
          cookies?.([received['set-cookie'] ?? []].flat());
          callback(null, { status, headers: received, data: String(body) }, String(body));
        },
        (caught: unknown) => callback(caught),
      );
    },
  };
  return client as unknown as IHttpClient;
}
