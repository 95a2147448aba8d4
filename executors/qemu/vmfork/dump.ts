import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Qmp } from '../qmp/qmp-client.js';
import { momentOf } from '../qmp/qmp-message.js';

const POLL_MS = 3;
/** No limit: the stream goes to a file of this host. Source: `max-bandwidth` in bytes a second. */
const BANDWIDTH = 2 ** 40;

/** Whether QEMU can write the memory of this machine while it runs on. It refuses where the kernel has no userfaultfd write protection for it. */
export async function canDumpLive(qmp: Qmp): Promise<boolean> {
  try {
    await snapshotting(qmp, true);
    return true;
  } catch (caught) {
    if (caught instanceof PortLayerError && caught.message.startsWith('QEMU refused')) return false;
    throw caught;
  }
}

async function snapshotting(qmp: Qmp, state: boolean): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'background-snapshot', state }],
  });
}

/** Begins the dump. The stream goes to the unix socket. */
export async function beginDump(qmp: Qmp, socket: string, live: boolean): Promise<void> {
  if (!live) await snapshotting(qmp, false);
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH });
  await qmp.execute('migrate', { uri: `unix:${socket}` });
}

/** Resolves when the machine runs again after a live dump began; how long it stood still, in milliseconds. Throws where the dump fails before. */
export async function pauseOfLive(qmp: Qmp): Promise<number> {
  const resumed = (async () => {
    const stopped = await qmp.event('STOP');
    const resume = await qmp.event('RESUME', stopped);
    return momentOf(resume) - momentOf(stopped);
  })();
  resumed.catch(() => {});
  const failed = dumped(qmp).then(() => resumed);
  return Promise.race([resumed, failed]);
}

/** Resolves when the stream is whole. Throws EXECUTOR_UNAVAILABLE with QEMU's reason where it cannot be. */
export async function dumped(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status, 'error-desc': why } = await qmp.execute('query-migrate');
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'QEMU could not dump the machine.', {
        required: 'a dump that completes',
        found: why ?? status,
        remedy: 'Ask again. The machine runs on.',
      });
    }
    await sleep(POLL_MS);
  }
}
