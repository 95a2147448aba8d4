import type { CheckpointProgress } from '../../proto/types/portlayer/execution/v1/CheckpointProgress.js';
import type { CreateCheckpointRequest__Output } from '../../proto/types/portlayer/execution/v1/CreateCheckpointRequest.js';
import type { CreateCheckpointResponse } from '../../proto/types/portlayer/execution/v1/CreateCheckpointResponse.js';
import type { ForkRequest__Output } from '../../proto/types/portlayer/execution/v1/ForkRequest.js';
import type { ForkResponse } from '../../proto/types/portlayer/execution/v1/ForkResponse.js';
import type { ForkOutcome, ForkRequest } from '../dispatch/dispatch.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import { type ApiContext, streaming } from './call.js';
import { given, invalid, optionalText, requestId, requiredText, word } from './from-wire.js';
import { constraintPolicy, needFromWire } from './plan-wire.js';
import { toServiceError } from './status.js';
import { checkpointState, checkpointToWire, containerToWire, timestamp } from './to-wire.js';

const MAX_COPIES = 1000;

/** The calls of `Execution` that tell how far they are: CreateCheckpoint and Fork. */
export function progressHandlers(context: ApiContext) {
  return {
    CreateCheckpoint: streaming(context, (request: CreateCheckpointRequest__Output, signal) =>
      createCheckpoint(context, request, signal),
    ),
    Fork: streaming(context, async function* (request: ForkRequest__Output, signal) {
      const copies = context.dispatch.fork(requestId(request.requestId), forkRequest(request), signal);
      for await (const outcome of copies) yield forkResponse(outcome, context.log);
    }),
  };
}

async function* createCheckpoint(
  { dispatch }: ApiContext,
  request: CreateCheckpointRequest__Output,
  signal: AbortSignal,
): AsyncGenerator<CreateCheckpointResponse> {
  const wanted = given({
    container: requiredText('container', request.container),
    mechanism: optionalText(request.mechanism),
    labels: request.labels,
    durability:
      word('durability', 'DURABILITY_', ['captured', 'committed'], request.durability) ?? 'committed',
    stopAfter: request.stopAfter ?? false,
    need: some(needFromWire(request.need, request.durability)),
  });
  const steps: CheckpointProgress[] = [];
  let wake = () => {};
  const done = dispatch.createCheckpoint(
    requestId(request.requestId),
    wanted,
    step => {
      // Who reads slowly is told how far it is now, not how far it was.
      if (step.written && steps.at(-1)?.totalBytes) steps.pop();
      const { crid, state, atMs, written = {} } = step;
      steps.push({ crid, state: checkpointState(state), at: timestamp(atMs), ...written });
      wake();
    },
    signal,
  );
  let over = false;
  const ended = () => {
    over = true;
    wake();
  };
  done.then(ended, ended);
  while (!over || steps.length > 0) {
    const progress = steps.shift();
    if (progress) yield { progress };
    else {
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
  }
  yield { checkpoint: checkpointToWire(await done) };
}

/** Nothing stated is no need: the same content as a call that leaves the field out. */
function some<T extends object>(need: T): T | undefined {
  return Object.keys(need).length > 0 ? need : undefined;
}

function forkRequest(request: ForkRequest__Output): ForkRequest {
  const copies = request.count ? request.count : 1;
  if (copies > MAX_COPIES) throw invalid('count', `1 to ${MAX_COPIES}`, copies);
  const { checkpoint, container } = request;
  if (!checkpoint && !container) throw invalid('source', 'a checkpoint or a container', undefined);
  return given({
    source: checkpoint ? { checkpoint } : { container: requiredText('container', container) },
    count: copies,
    namePrefix: optionalText(request.namePrefix),
    labels: request.labels,
    environment: optionalText(request.environment),
    constraints: constraintPolicy(request.constraintPolicy),
  });
}

function forkResponse(outcome: ForkOutcome, log: (message: string) => void): ForkResponse {
  const { index, name, container } = outcome;
  if (container) return { index, container: containerToWire(container) };
  const { code, message, remedy = '' } = PortLayerError.from(outcome.error);
  // The scrubbing of internal errors is the same as for a whole call.
  const shown = code === 'INTERNAL' ? toServiceError(outcome.error, log).message : message;
  return { index, failure: { name, code, message: shown, remedy } };
}
