import type { StreamEventsRequest__Output } from '../../proto/types/portlayer/execution/v1/StreamEventsRequest.js';
import type { StreamEventsResponse } from '../../proto/types/portlayer/execution/v1/StreamEventsResponse.js';
import type { StreamLogsRequest__Output } from '../../proto/types/portlayer/execution/v1/StreamLogsRequest.js';
import type { StreamLogsResponse } from '../../proto/types/portlayer/execution/v1/StreamLogsResponse.js';
import { type ApiContext, streaming } from './call.js';
import { count, given, requiredText, timestampMs } from './from-wire.js';
import { enumValue, timestamp } from './to-wire.js';

/** The calls of `Execution` that follow what happens: logs and events. They end when the server begins to stop. */
export function streamHandlers(context: ApiContext) {
  const { dispatch, stopping } = context;
  return {
    StreamLogs: streaming(context, async function* (request: StreamLogsRequest__Output, signal) {
      const options = given({
        follow: request.follow ?? false,
        tail: request.tail,
        sinceMs: timestampMs('since', request.since),
      });
      const until = AbortSignal.any([signal, stopping]);
      for await (const entry of dispatch.logs(requiredText('name', request.name), options, until)) {
        const response: StreamLogsResponse = {
          stream: enumValue('OUTPUT_STREAM_', entry.stream),
          at: timestamp(entry.atMs),
          text: entry.text,
          endsLine: entry.endsLine,
        };
        yield response;
      }
    }),
    StreamEvents: streaming(context, async function* (request: StreamEventsRequest__Output, signal) {
      const since = count('since', request.since ?? 0);
      const until = AbortSignal.any([signal, stopping]);
      for await (const event of dispatch.events(since, !request.noFollow, until)) {
        const { sequence, atMs, subject, id, type, facts } = event;
        const response: StreamEventsResponse = {
          sequence,
          at: timestamp(atMs),
          subject,
          id,
          type,
          facts: { ...facts },
        };
        yield response;
      }
    }),
  };
}
