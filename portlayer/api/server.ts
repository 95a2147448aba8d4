import { type MethodDefinition, Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type protobuf from 'protobufjs';
import { loadExecutionPackage } from '../../proto/load.js';
import type { Dispatch } from '../dispatch/dispatch.js';
import { PortLayerError } from '../errors/port-layer-error.js';
import { type Authenticate, authorized, type Refused } from './authorize.js';
import type { ApiContext } from './call.js';
import { DEFAULT_MAPPING, peerOf } from './certificate-roles.js';
import { checkpointHandlers } from './checkpoints.js';
import { containerHandlers } from './containers.js';
import { execHandlers } from './exec.js';
import { imageHandlers } from './image-calls.js';
import { levelHandlers } from './levels.js';
import type { Listener } from './listener.js';
import { progressHandlers } from './progress.js';
import { reflectionPackage } from './reflection.js';
import { listenOn, type Unlisten } from './socket.js';
import { streamHandlers } from './streams.js';
import { loadRequestTypes, strictDeserializer } from './strict-decoder.js';
import { bindTcp, bindUnix } from './tcp.js';
import { mutualTls } from './tls.js';
import { createTurns } from './turns.js';

const EXECUTION = 'portlayer.execution.v1.Execution';
const LEVELS = 'portlayer.execution.v1.Levels';
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** A lineage of 50,000 checkpoints with their specs. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** What an API server is made of. */
export interface ApiServerOptions {
  readonly dispatch: Dispatch;
  /** At least one; each has callers and rights of its own. */
  readonly listen: readonly Listener[];
  /** Told of each call that is refused for want of a role. Default: nobody is. */
  readonly refused?: Refused;
  /** Writes one line to the service's log. Called for the causes of internal errors only. */
  readonly log: (message: string) => void;
}

/** A server that answers. */
export interface ApiServer {
  /** The TCP ports that it listens on, in the order of its listeners. */
  readonly ports: readonly number[];
  /**
   * Takes no more calls, ends the streams that follow, lets the others finish for at most `graceMs`, then cancels them.
   * Removes the sockets. Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Serves `Execution` and `Levels`, with health and reflection (v1 and v1alpha), on unix sockets and, with certificates
 * on both sides, on TCP. Throws INVALID_SPEC for a bad path or bad TLS files, and WRONG_STATE where a live service has
 * the socket or somebody the port.
 */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const stopping = new AbortController();
  const context: ApiContext = {
    dispatch: options.dispatch,
    log: options.log,
    stopping: stopping.signal,
    turn: createTurns(),
  };
  const open: Opened[] = [];
  try {
    for (const listener of options.listen)
      open.push(await listenWith(context, listener, options.refused ?? (() => {})));
  } catch (caught) {
    await Promise.all(open.map(each => each.unlisten()));
    for (const { server } of open) server.forceShutdown();
    throw caught;
  }
  let stopped: Promise<void> | undefined;
  return {
    ports: open.flatMap(({ port }) => port ?? []),
    stop(graceMs) {
      stopped ??= (async () => {
        for (const { health } of open)
          for (const service of ['', EXECUTION, LEVELS]) health.setStatus(service, 'NOT_SERVING');
        stopping.abort(stoppingError());
        await Promise.all(open.map(each => each.unlisten()));
        await Promise.all(open.map(each => shutDown(each.server, graceMs)));
      })();
      return stopped;
    },
  };
}

/** One listener with a server of its own: a call's listener says who makes it. */
interface Opened {
  readonly server: Server;
  readonly health: HealthImplementation;
  readonly unlisten: Unlisten;
  readonly port?: number;
}

async function listenWith(context: ApiContext, listener: Listener, refused: Refused): Promise<Opened> {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
  });
  try {
    if ('path' in listener) {
      const peer = { who: 'api', roles: listener.roles ?? (['admin'] as const) };
      const health = addServices(server, context, () => peer, refused);
      return { server, health, unlisten: await listenOn(listener, path => bindUnix(server, path)) };
    }
    const { host, port, tls, mapping = DEFAULT_MAPPING } = listener;
    const credentials = await mutualTls(tls);
    const authenticate: Authenticate = call =>
      peerOf(call.getAuthContext().sslPeerCertificate ?? {}, mapping);
    const health = addServices(server, context, authenticate, refused);
    const bound = await bindTcp(server, host, port, credentials);
    return { server, health, unlisten: async () => {}, port: bound };
  } catch (caught) {
    server.forceShutdown();
    throw caught;
  }
}

function addServices(
  server: Server,
  context: ApiContext,
  authenticate: Authenticate,
  refused: Refused,
): HealthImplementation {
  const definitions = loadExecutionPackage();
  const types = loadRequestTypes();
  const execution = {
    ...containerHandlers(context),
    ...checkpointHandlers(context),
    ...progressHandlers(context),
    ...imageHandlers(context),
    ...streamHandlers(context),
    ...execHandlers(context),
  } as UntypedServiceImplementation;
  const levels = levelHandlers(context) as UntypedServiceImplementation;
  server.addService(
    strictService(definitions, types, EXECUTION),
    authorized(execution, authenticate, refused),
  );
  server.addService(strictService(definitions, types, LEVELS), authorized(levels, authenticate, refused));
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
