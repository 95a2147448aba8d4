import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where a service keeps its state unless told otherwise: `$PORTLAYER_STATE_DIR`; else `/var/lib/portlayer` for root;
 * else `$XDG_STATE_HOME/portlayer` or `~/.local/state/portlayer`. The service and its clients ask the same function.
 */
export function defaultStateDirectory(): string {
  const { PORTLAYER_STATE_DIR, XDG_STATE_HOME } = process.env;
  if (PORTLAYER_STATE_DIR) return PORTLAYER_STATE_DIR;
  if (process.getuid?.() === 0) return '/var/lib/portlayer';
  return join(XDG_STATE_HOME || join(homedir(), '.local/state'), 'portlayer');
}

/** The socket of the service that has this state directory. */
export function socketPath(stateDirectory: string): string {
  return join(stateDirectory, 'portlayer.sock');
}

/** Where a client looks for the service unless told otherwise: `$PORTLAYER_ADDRESS`, else the default socket, as `unix:PATH`. */
export function defaultAddress(): string {
  return process.env.PORTLAYER_ADDRESS || `unix:${socketPath(defaultStateDirectory())}`;
}
