import { fromJSON, type ServiceDefinition } from '@grpc/proto-loader';
import { loadExecutionPackage } from '../../proto/load.js';

/** The calls that are measured. */
export const COMPARED = ['GetContainer', 'ListCheckpoints'] as const;

/** The one method of the echo: a message with so many bytes comes back as it is. */
export function echoService(): ServiceDefinition {
  const definitions = fromJSON({
    nested: {
      bench: {
        nested: {
          Payload: { fields: { data: { type: 'bytes', id: 1 } } },
          Echo: { methods: { Say: { requestType: 'Payload', responseType: 'Payload', comment: '' } } },
        },
      },
    },
  });
  return definitions['bench.Echo'] as ServiceDefinition;
}

/** The Execution API, for a bare server and a bare client of the same messages. */
export function executionService(): ServiceDefinition {
  return loadExecutionPackage()['portlayer.execution.v1.Execution'] as ServiceDefinition;
}
