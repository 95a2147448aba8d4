import type { handleBidiStreamingCall } from '@grpc/grpc-js';
import type { CoalesceCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/CoalesceCheckpointRequest.js';
import type { CoalesceCheckpointResponse } from '../../proto/types/portlayer/execution/v1/CoalesceCheckpointResponse.js';
import type { CollectGarbageRequest__Output } from '../../proto/types/portlayer/execution/v1/CollectGarbageRequest.js';
import type { CollectGarbageResponse } from '../../proto/types/portlayer/execution/v1/CollectGarbageResponse.js';
import type { DiffCheckpointsRequest__Output } from '../../proto/types/portlayer/execution/v1/DiffCheckpointsRequest.js';
import type { ExportCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/ExportCheckpointRequest.js';
import type { ExportCheckpointResponse } from '../../proto/types/portlayer/execution/v1/ExportCheckpointResponse.js';
import type { ImportCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/ImportCheckpointRequest.js';
import type { ImportCheckpointResponse } from '../../proto/types/portlayer/execution/v1/ImportCheckpointResponse.js';
import type { PinCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/PinCheckpointRequest.js';
import type { VerifyCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/VerifyCheckpointRequest.js';
import type { VerifyCheckpointResponse } from '../../proto/types/portlayer/execution/v1/VerifyCheckpointResponse.js';
import { type ApiContext, fail, messageOf, signalOf, streaming, unary, writeTo } from './call.js';
import { count, durationMs, optionalText, requestId, requiredText } from './from-wire.js';
import type { Decoded } from './strict-decoder.js';
import { checkpointToWire } from './to-wire.js';

const PAGE_BYTES = 4096;

/** The calls of `Execution` on images: what keeps them small, whole and where they are. */
export function imageHandlers(context: ApiContext) {
  const { dispatch, stopping } = context;
  return {
    PinCheckpoint: unary(context, async (request: PinCheckpointRequest__Output) => {
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      const pinned = !request.unpin;
      const record = await dispatch.pinCheckpoint(requestId(request.requestId), checkpoint, pinned);
      return { checkpoint: checkpointToWire(record) };
    }),
    CoalesceCheckpoint: streaming(context, (request: CoalesceCheckpointRequest__Output, signal) =>
      coalesce(context, request, signal),
    ),
    VerifyCheckpoint: streaming(context, async function* (request: VerifyCheckpointRequest__Output, signal) {
      const forMs = durationMs('restore_for', request.restoreFor);
      const drill = forMs === undefined ? undefined : { forMs, probe: request.probe };
      const until = AbortSignal.any([signal, stopping]);
      for await (const verdict of dispatch.verifyCheckpoints(
        optionalText(request.checkpoint),
        drill,
        until,
      )) {
        const { crid, done, total, bytes, error } = verdict;
        const message = error ? [error.message, error.found].filter(Boolean).join(' ') : '';
        const response: VerifyCheckpointResponse = {
          crid,
          done,
          total,
          bytes,
          code: error?.code ?? '',
          message,
        };
        yield response;
      }
    }),
    CollectGarbage: streaming(context, async function* (request: CollectGarbageRequest__Output) {
      const found = dispatch.collectGarbage(request.dryRun ?? false, request.copies ?? false);
      for await (const { kind, id, bytes } of found) {
        const response: CollectGarbageResponse = { kind, id, bytes };
        yield response;
      }
    }),
    DiffCheckpoints: unary(context, async (request: DiffCheckpointsRequest__Output) => {
      const files = await dispatch.diffCheckpoints(
        requiredText('from', request.from),
        requiredText('to', request.to),
      );
      return { files: files.map(file => ({ ...file })) };
    }),
    ExportCheckpoint: streaming(context, async function* (request: ExportCheckpointRequest__Output, signal) {
      const checkpoint = requiredText('checkpoint', request.checkpoint);
      const offset = count('offset', request.offset ?? 0);
      for await (const { totalBytes, data } of dispatch.exportCheckpoint(checkpoint, offset, signal)) {
        const response: ExportCheckpointResponse = data.length === 0 ? { totalBytes } : { data };
        yield response;
      }
    }),
    ImportCheckpoint: importHandler(context),
  };
}

async function* coalesce(
  { dispatch }: ApiContext,
  request: CoalesceCheckpointRequest__Output,
  signal: AbortSignal,
): AsyncGenerator<CoalesceCheckpointResponse> {
  let newest: CoalesceCheckpointResponse['progress'];
  let wake = (): void => {};
  let over = false;
  const end = (): void => {
    over = true;
    wake();
  };
  const checkpoint = requiredText('checkpoint', request.checkpoint);
  const progress = (done: number, total: number): void => {
    newest = { doneBytes: done * PAGE_BYTES, totalBytes: total * PAGE_BYTES };
    wake();
  };
  const work = dispatch.coalesceCheckpoint(requestId(request.requestId), checkpoint, progress, signal);
  work.then(end, end);
  while (!over) {
    if (newest) {
      const told = newest;
      newest = undefined;
      yield { progress: told };
      continue;
    }
    await new Promise<void>(resolve => {
      wake = resolve;
    });
  }
  yield { checkpoint: checkpointToWire(await work) };
}

/** The caller's data is read only as fast as it is taken in. */
function importHandler({
  dispatch,
  log,
}: ApiContext): handleBidiStreamingCall<Decoded<ImportCheckpointRequest__Output>, ImportCheckpointResponse> {
  return call => {
    const signal = signalOf(call);
    const chunks = async function* (): AsyncGenerator<Buffer> {
      const messages = call.iterator({ destroyOnReturn: false }) as AsyncIterable<
        Decoded<ImportCheckpointRequest__Output>
      >;
      for await (const message of messages) {
        const { data } = messageOf(message);
        if (data && data.length > 0) yield Buffer.from(data);
      }
    };
    dispatch.importCheckpoint(chunks(), signal).then(
      async record => {
        await writeTo(call, { checkpoint: checkpointToWire(record) }, signal);
        call.end();
      },
      (caught: unknown) => fail(call, caught, log),
    );
  };
}
