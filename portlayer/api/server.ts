import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type protobuf from 'protobufjs';
import { loadExecutionPackage } from '../../proto/load.js';
import type { Dispatch } from '../dispatch/dispatch.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { ApiContext } from './call.js';
import { checkpointHandlers } from './checkpoints.js';
import { containerHandlers } from './containers.js';
import { execHandlers } from './exec.js';
import { levelHandlers } from './levels.js';
import { progressHandlers } from './progress.js';
import { reflectionPackage } from './reflection.js';
import { type Listener, listenOn, type Unlisten } from './socket.js';
import { streamHandlers } from './streams.js';
import { loadRequestTypes, strictDeserializer } from './strict-decoder.js';
import { createTurns } from './turns.js';

const EXECUTION = 'portlayer.execution.v1.Execution';
const LEVELS = 'portlayer.execution.v1.Levels';
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** A lineage of 50,000 checkpoints with their specs. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** What an API server is made of. */
export interface ApiServerOptions {
  readonly dispatch: Dispatch;
  /** At least one unix socket. */
  readonly listen: readonly Listener[];
  /** Writes one line to the service's log. Called for the causes of internal errors only. */
  readonly log: (message: string) => void;
}

/** A server that answers. */
export interface ApiServer {
  /**
   * Takes no more calls, ends the streams that follow, lets the others finish for at most `graceMs`, then cancels them.
   * Removes the sockets. Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Serves `Execution` and `Levels`, with health and reflection (v1 and v1alpha), on unix sockets.
 * Throws INVALID_SPEC for a bad path and WRONG_STATE where a live service has the socket.
 */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const stopping = new AbortController();
  const context: ApiContext = {
    dispatch: options.dispatch,
    log: options.log,
    stopping: stopping.signal,
    turn: createTurns(),
  };
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
  });
  const health = addServices(server, context);
  const unlisten: Unlisten[] = [];
  try {
    for (const listener of options.listen)
      unlisten.push(await listenOn(listener, path => bind(server, path)));
  } catch (caught) {
    server.forceShutdown();
    await Promise.all(unlisten.map(each => each()));
    throw caught;
  }
  let stopped: Promise<void> | undefined;
  return {
    stop(graceMs) {
      stopped ??= (async () => {
        for (const service of ['', EXECUTION, LEVELS]) health.setStatus(service, 'NOT_SERVING');
        stopping.abort(stoppingError());
        await Promise.all(unlisten.map(each => each()));
        await shutDown(server, graceMs);
      })();
      return stopped;
    },
  };
}

function addServices(server: Server, context: ApiContext): HealthImplementation {
  const definitions = loadExecutionPackage();
  const types = loadRequestTypes();
  server.addService(strictService(definitions, types, EXECUTION), {
    ...containerHandlers(context),
    ...checkpointHandlers(context),
    ...progressHandlers(context),
    ...streamHandlers(context),
    ...execHandlers(context),
  } as UntypedServiceImplementation);
  server.addService(
    strictService(definitions, types, LEVELS),
    levelHandlers(context) as UntypedServiceImplementation,
  );
  const health = new HealthImplementation({ '': 'SERVING', [EXECUTION]: 'SERVING', [LEVELS]: 'SERVING' });
  health.addToServer(server);
  new ReflectionService(reflectionPackage()).addToServer(server);
  return health;
}

/** The service's definition with every request decoded strictly. */
function strictService(
  definitions: PackageDefinition,
  types: protobuf.Root,
  name: string,
): ServiceDefinition {
  const declared = types.lookupService(name);
  const methods = Object.entries(definitions[name] as ServiceDefinition).map(([method, definition]) => {
    const request = declared.lookupType(declared.methods[method]?.requestType ?? '');
    const requestDeserialize = strictDeserializer(request, definition.requestDeserialize);
    return [
      method,
      { ...definition, requestDeserialize } satisfies MethodDefinition<object, object>,
    ] as const;
  });
  return Object.fromEntries(methods) as ServiceDefinition;
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function stoppingError(): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The service is stopping.', {
    remedy: 'Containers run on. Repeat the call when the service is back: portlayer serve',
  });
}
