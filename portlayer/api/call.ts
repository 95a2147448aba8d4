import { once } from 'node:events';
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerWritableStream,
} from '@grpc/grpc-js';
import type { Dispatch } from '../dispatch/dispatch.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import { toServiceError } from './status.js';
import type { Decoded } from './strict-decoder.js';

/** What every group of handlers is made with. */
export interface ApiContext {
  readonly dispatch: Dispatch;
  /** Writes one line to the service's log: the causes of internal errors, nothing else. */
  readonly log: (message: string) => void;
  /** Aborts when the server begins to stop; ends the calls that would go on for ever. */
  readonly stopping: AbortSignal;
  /** Resolves when it is a unary call's turn to begin. */
  readonly turn: () => Promise<void>;
}

/** What every kind of server call has. */
interface Cancellable {
  readonly cancelled: boolean;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** One answer. The signal aborts when the caller cancels, its deadline passes or the connection ends. */
export function unary<I, O>(
  context: ApiContext,
  handle: (request: I, signal: AbortSignal) => Promise<O>,
): handleUnaryCall<Decoded<I>, O> {
  return (call, callback) => {
    const signal = signalOf(call);
    context
      .turn()
      .then(() => handle(messageOf(call.request), signal))
      .then(
        response => callback(null, response),
        (caught: unknown) => callback(toServiceError(caught, context.log)),
      );
  };
}

/** A stream of answers, each taken from the source only when the caller has room for it. */
export function streaming<I, O>(
  context: ApiContext,
  handle: (request: I, signal: AbortSignal) => AsyncIterable<O>,
): handleServerStreamingCall<Decoded<I>, O> {
  return call => {
    const signal = signalOf(call);
    const run = async () => {
      for await (const response of handle(messageOf(call.request), signal)) {
        if (signal.aborted) break;
        await writeTo(call, response, signal);
      }
      call.end();
    };
    run().catch((caught: unknown) => fail(call, caught, context.log));
  };
}

/** Resolves when there is room for the next message; rejects when the call has ended. */
export async function writeTo<I, O>(
  call: ServerWritableStream<I, O> | ServerDuplexStream<I, O>,
  response: O,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!call.write(response)) await once(call, 'drain', { signal });
}

/** Ends a streaming call with an error; a caller that has gone already hears nothing. */
export function fail<I, O>(
  call: ServerWritableStream<I, O> | ServerDuplexStream<I, O>,
  caught: unknown,
  log: (message: string) => void,
): void {
  if (call.cancelled) call.end();
  else (call as ServerWritableStream<I, O>).emit('error', toServiceError(caught, log));
}

/** Aborts when the caller cancels, its deadline passes, the connection ends, or the call is over. */
export function signalOf(call: Cancellable): AbortSignal {
  const controller = new AbortController();
  const abort = () =>
    controller.abort(new PortLayerError('CANCELED', 'The caller cancelled, or its deadline passed.'));
  if (call.cancelled) abort();
  else call.once('cancelled', abort);
  return controller.signal;
}

/** The request; throws what the strict decoder found wrong with it. */
export function messageOf<T>(decoded: Decoded<T>): T {
  if ('problem' in decoded) throw decoded.problem;
  return decoded.message;
}
