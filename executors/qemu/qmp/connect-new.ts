import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MonitorClient } from '../../../portlayer/environments/monitor/monitor-client.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** A QEMU makes its socket some 20 ms after it was started. */
const LOOK_MS = 10;

/**
 * A connection to the QEMU that was just started, as soon as it can be talked to at `path`: its socket is there a moment
 * before it listens. Throws WRONG_STATE where it ends before.
 */
export async function connectNew(
  host: Host,
  path: string,
  client: MonitorClient,
  signal: AbortSignal,
): Promise<Duplex> {
  for (;;) {
    if (await host.files.exists(path)) {
      const socket = await host.connect(path, signal).catch(() => undefined);
      if (socket) return socket;
    }
    signal.throwIfAborted();
    if (client.isOver())
      throw new PortLayerError('WRONG_STATE', 'QEMU ended before it could be talked to.', {
        remedy: 'See its last words, and try again.',
      });
    await sleep(LOOK_MS, undefined, { signal });
  }
}
