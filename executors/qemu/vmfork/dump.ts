import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { isRefusal, type Qmp } from '../qmp/qmp-client.js';
import { momentOf, type QmpEvent } from '../qmp/qmp-message.js';

/** No limit: the stream goes to a file of this host. Source: `max-bandwidth` in bytes a second. */
const BANDWIDTH = 2 ** 40;
/** QEMU stops a machine for the last pass when it expects that to take no longer than so many milliseconds. */
const LAST_PASS_MS = 3;
/** A machine that writes faster than it is read is stopped after so many passes. */
const MOST_PASSES = 6;

/**
 * How a machine is dumped.
 * - `live`: its memory is write-protected at one instant and written while it runs on (`background-snapshot`).
 * - `passes`: its memory is written while it runs, then again what it wrote meanwhile, and the last of it while it stands
 *   still: the image is of the end. Where memory cannot be write-protected: of a copy, which maps its image's file
 *   privately, or where userfaultfd(2) is not allowed.
 * - `stopped`: it stands still for the whole dump: it stood still before, or is to end with it.
 */
export type Way = 'live' | 'passes' | 'stopped';

/** Makes QEMU ready to dump a machine that runs on, and says how it will be: it refuses `live` where the kernel or the memory does not allow it. */
export async function readyRunning(qmp: Qmp): Promise<Way> {
  const live = await capable(qmp, { 'background-snapshot': true, 'pause-before-switchover': false });
  return live ? 'live' : readyForPasses(qmp);
}

export async function readyForPasses(qmp: Qmp): Promise<Way> {
  await able(qmp, { 'background-snapshot': false, 'pause-before-switchover': true });
  return 'passes';
}

/** Makes QEMU ready to dump a machine that stands still. */
export async function readyStopped(qmp: Qmp): Promise<Way> {
  await able(qmp, { 'background-snapshot': false, 'pause-before-switchover': false });
  return 'stopped';
}

/** False where QEMU refuses. */
async function capable(qmp: Qmp, wanted: Readonly<Record<string, boolean>>): Promise<boolean> {
  try {
    await able(qmp, wanted);
    return true;
  } catch (caught) {
    if (isRefusal(caught)) return false;
    throw caught;
  }
}

async function able(qmp: Qmp, wanted: Readonly<Record<string, boolean>>): Promise<void> {
  const capabilities = Object.entries({ events: true, ...wanted }).map(([capability, state]) => ({
    capability,
    state,
  }));
  await qmp.execute('migrate-set-capabilities', { capabilities });
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH, 'downtime-limit': LAST_PASS_MS });
}

/** Begins the dump. The stream goes to the unix socket. */
export async function beginDump(qmp: Qmp, socket: string): Promise<void> {
  await qmp.execute('migrate', { uri: `unix:${socket}` });
}

/** Resolves when the machine runs again after a live dump began. Throws where the dump fails before. */
export async function resumedOfLive(qmp: Qmp): Promise<void> {
  const resumed = (async () => qmp.event('RESUME', await qmp.event('STOP')))();
  resumed.catch(() => {});
  await Promise.race([resumed, dumped(qmp).then(() => resumed)]);
}

/** Resolves when the machine stands still for the last of its passes. */
export async function lastPass(qmp: Qmp): Promise<void> {
  for (let after: QmpEvent | undefined; ; ) {
    const passed = await Promise.race([
      qmp.event('MIGRATION_PASS', after),
      reached(qmp, 'pre-switchover').then(() => undefined),
    ]);
    if (!passed) return;
    after = passed;
    // It will not come to its end by itself: what is left is written while it stands still.
    if (Number(passed.data?.pass) > MOST_PASSES) await qmp.execute('stop');
  }
}

/** After {@link lastPass}: the rest, and the state of the devices. */
export async function endPasses(qmp: Qmp): Promise<void> {
  await qmp.execute('migrate-continue', { state: 'pre-switchover' });
}

/** How long the machine stood still in this conversation, in milliseconds, as QEMU told it. */
export async function pauseOf(qmp: Qmp): Promise<number> {
  const stopped = await qmp.event('STOP');
  return momentOf(await qmp.event('RESUME', stopped)) - momentOf(stopped);
}

/** Resolves when the stream is whole. Throws EXECUTOR_UNAVAILABLE with QEMU's reason where it cannot be. */
export async function dumped(qmp: Qmp): Promise<void> {
  await reached(qmp, 'completed');
}

/** Waits for QEMU's word, not asking: each question would take QEMU's main loop from what it is doing. */
async function reached(qmp: Qmp, wanted: 'completed' | 'pre-switchover'): Promise<void> {
  for (let after: QmpEvent | undefined; ; ) {
    after = await qmp.event('MIGRATION', after);
    const status = after.data?.status;
    if (status === wanted || (status === 'completed' && wanted === 'pre-switchover')) return;
    if (status !== 'failed' && status !== 'cancelled') continue;
    const { 'error-desc': why } = await qmp.execute('query-migrate');
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'QEMU could not dump the machine.', {
      required: 'a dump that completes',
      found: why ?? status,
      remedy: 'Ask again. The machine runs on.',
    });
  }
}
