import { setTimeout as sleep } from 'node:timers/promises';
import type { MonitorClient } from '../../../portlayer/environments/monitor/monitor-client.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** A QEMU makes its socket some 20 ms after it was started. */
const LOOK_MS = 10;

/** Resolves when a QEMU that was just started can be talked to at `path`. Throws WRONG_STATE where it ends before. */
export async function awaitQmpSocket(
  host: Host,
  path: string,
  client: MonitorClient,
  signal: AbortSignal,
): Promise<void> {
  while (!(await host.files.exists(path))) {
    if (client.isOver())
      throw new PortLayerError('WRONG_STATE', 'QEMU ended before it could be talked to.', {
        remedy: 'See its last words, and try again.',
      });
    await sleep(LOOK_MS, undefined, { signal });
  }
}
