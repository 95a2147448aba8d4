import { once } from 'node:events';
import {
  Client,
  type ClientReadableStream,
  type CallOptions as GrpcOptions,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { errorFromCall } from './errors.js';
import { type TlsOptions, targetOf } from './tls.js';

/** What the service sends at most: a whole lineage comes in one message. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call; the service undoes what it had begun. */
  readonly signal?: AbortSignal;
  /** The call is cancelled after so many milliseconds. */
  readonly timeoutMs?: number;
}

/** What a call needs of a method's definition. */
interface Method<I, O> {
  readonly path: string;
  readonly requestSerialize: (request: I) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => O;
}

/** One connection, with errors turned back into `PortLayerError` and signals into cancellation. */
export interface Channel {
  unary<I, O>(method: Method<I, O>, request: I, options?: CallOptions): Promise<O>;
  streaming<I, O>(method: Method<I, O>, request: I, options?: CallOptions): AsyncIterable<O>;
  /** `requests` is read only as fast as the service takes it. */
  duplex<I, O>(method: Method<I, O>, requests: AsyncIterable<I>, options?: CallOptions): AsyncIterable<O>;
  close(): void;
}

/** Connects at the first call; throws what {@link targetOf} does. `waitForReadyMs`: how long each call waits for a service that is not there, or not there again, yet. */
export function openChannel(address: string, waitForReadyMs: number, tls: TlsOptions | undefined): Channel {
  const target = targetOf(address, tls);
  const client = new Client(target.address, target.credentials, {
    'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
  const connected = async (options: CallOptions) => {
    options.signal?.throwIfAborted();
    if (waitForReadyMs > 0) await waitForReady(client, waitForReadyMs);
    options.signal?.throwIfAborted();
  };
  return {
    async unary(method, request, options = {}) {
      try {
        await connected(options);
        return await unaryCall(client, method, request, options).catch(async caught => {
          // The service died under the call. Asking again is safe: a mutating call has its request id.
          if (waitForReadyMs === 0 || (caught as ServiceError).code !== status.UNAVAILABLE) throw caught;
          await connected(options);
          return unaryCall(client, method, request, options);
        });
      } catch (caught) {
        throw errorFromCall(caught, address);
      }
    },
    async *streaming(method, request, options = {}) {
      try {
        await connected(options);
        const { path, requestSerialize, responseDeserialize } = method;
        const limits = limitsOf(options);
        yield* messagesOf(
          client.makeServerStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            new Metadata(),
            limits,
          ),
          options.signal,
        );
      } catch (caught) {
        throw errorFromCall(caught, address);
      }
    },
    async *duplex(method, requests, options = {}) {
      try {
        await connected(options);
        const { path, requestSerialize, responseDeserialize } = method;
        const limits = limitsOf(options);
        const call = client.makeBidiStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          new Metadata(),
          limits,
        );
        const send = async () => {
          for await (const request of requests) {
            if (call.destroyed || call.writableEnded) return;
            if (!call.write(request)) await once(call, 'drain');
          }
          call.end();
        };
        send().catch(() => call.cancel());
        yield* messagesOf(call, options.signal);
      } catch (caught) {
        throw errorFromCall(caught, address);
      }
    },
    close: () => client.close(),
  };
}

function unaryCall<I, O>(client: Client, method: Method<I, O>, request: I, options: CallOptions): Promise<O> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    const abort = () => call.cancel();
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      limitsOf(options),
      (error, response) => {
        options.signal?.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve(response as O);
      },
    );
    options.signal?.addEventListener('abort', abort, { once: true });
  });
}

async function* messagesOf<O>(
  call: ClientReadableStream<O>,
  signal: AbortSignal | undefined,
): AsyncGenerator<O> {
  const abort = () => call.cancel();
  call.on('error', () => {}); // The iterator throws it; after a break nobody listens.
  signal?.addEventListener('abort', abort, { once: true });
  try {
    for await (const message of call) yield message as O;
  } finally {
    signal?.removeEventListener('abort', abort);
    call.cancel();
  }
}

function limitsOf(options: CallOptions): GrpcOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

function waitForReady(client: Client, waitMs: number): Promise<void> {
  // Past the deadline the call itself is made, and says why there is no connection.
  return new Promise(resolve => client.waitForReady(Date.now() + waitMs, () => resolve()));
}
