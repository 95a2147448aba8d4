import { loadExecutionPackage } from '../../proto/load.js';
import type { ExecutionDefinition } from '../../proto/types/portlayer/execution/v1/Execution.js';
import type { LevelsDefinition } from '../../proto/types/portlayer/execution/v1/Levels.js';
import { defaultAddress } from './address.js';
import { openChannel } from './channel.js';
import { type CheckpointCalls, checkpointCalls } from './checkpoint-calls.js';
import { type ContainerCalls, containerCalls } from './container-calls.js';
import { type ImageCalls, imageCalls } from './image-calls.js';
import { type LevelCalls, levelCalls } from './level-calls.js';
import { defaultTls, type TlsOptions } from './tls.js';

export { PortLayerError } from '../errors/port-layer-error.js';
export { defaultAddress, defaultStateDirectory, socketPath } from './address.js';
export type { CallOptions } from './channel.js';
export type * from './checkpoints.js';
export type * from './containers.js';
export type * from './image-calls.js';
export type * from './levels.js';
export { defaultTls, type TlsOptions } from './tls.js';

/** How to reach a service. */
export interface ClientOptions {
  /** `unix:PATH` or `tcp:HOST:PORT`. Default: {@link defaultAddress}. */
  readonly address?: string;
  /** For `tcp:HOST:PORT`, which needs certificates on both sides. Default: what {@link defaultTls} finds. */
  readonly tls?: TlsOptions;
  /** How long a call waits for a service that does not accept yet. Default 0: it fails at once. */
  readonly waitForReadyMs?: number;
}

/**
 * The Execution API, a method for each call. Every method throws `PortLayerError` only; a service that is not there is
 * EXECUTOR_UNAVAILABLE. Mutating calls take a `requestId` and make one where none is given.
 */
export interface Client extends ContainerCalls, CheckpointCalls, ImageCalls, LevelCalls, AsyncDisposable {
  readonly address: string;
  /** Ends the connection. Calls under way finish. */
  close(): void;
}

/** A client. It connects at its first call. */
export function createClient(options: ClientOptions = {}): Client {
  const address = options.address ?? defaultAddress();
  const channel = openChannel(address, options.waitForReadyMs ?? 0, options.tls ?? defaultTls());
  const definitions = loadExecutionPackage();
  const execution = definitions['portlayer.execution.v1.Execution'] as unknown as ExecutionDefinition;
  const levels = definitions['portlayer.execution.v1.Levels'] as unknown as LevelsDefinition;
  const close = () => channel.close();
  return {
    address,
    ...containerCalls(channel, execution),
    ...checkpointCalls(channel, execution),
    ...imageCalls(channel, execution),
    ...levelCalls(channel, levels),
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}
