import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** What a guest's PID 1 is asked for: to freeze or thaw its root file system. */
export type Order = 'FREEZE' | 'THAW';

const MAX_BYTES = 4096;

/**
 * Gives one order to the PID 1 of a guest, over the bridge at `path`; its answer. What a guest says is bounded, and
 * believed of the guest only. Throws QUIESCE_TIMEOUT where no answer comes in time.
 */
export async function giveOrder(host: Host, path: string, order: Order, ms: number): Promise<string> {
  const limit = AbortSignal.timeout(ms);
  try {
    const socket = await host.connect(path, limit);
    const abort = () => socket.destroy(new Error('no answer'));
    limit.addEventListener('abort', abort, { once: true });
    try {
      socket.write(`${order}\n`);
      let text = '';
      for await (const chunk of socket) {
        text += String(chunk);
        if (text.includes('\n') || text.length > MAX_BYTES) break;
      }
      const line = text.split('\n')[0] ?? '';
      if (line.startsWith('A ')) return line.slice(2);
      throw new Error('the guest hung up');
    } finally {
      limit.removeEventListener('abort', abort);
      socket.destroy();
    }
  } catch (cause) {
    throw new PortLayerError('QUIESCE_TIMEOUT', 'The guest did not do as it was asked.', {
      required: `an answer to ${order} within ${ms} ms`,
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: 'Ask again when the guest is less busy. It runs on.',
      cause,
    });
  }
}
