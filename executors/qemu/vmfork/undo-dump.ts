import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { readDisk } from '../disk/machine-disk.js';
import { undoSplit } from '../disk/undo-split.js';
import { giveOrder } from '../guest/order.js';
import type { MachinePaths } from '../layout.js';
import type { Place } from '../place.js';
import { goOn } from '../qmp/go-on.js';
import { type Qmp, withQmp } from '../qmp/qmp-client.js';

/** What is noted of a dump under way, so that whoever finds it knows what to undo. */
interface Begun {
  /** The number of the disk that is to be frozen. */
  readonly number: number;
  /** Whether the machine ran when it began. */
  readonly running: boolean;
}

const LOOK_MS = 10;
const THAW_MS = 1000;

/** Notes that a dump begins. */
export async function noteDump(place: Place, paths: MachinePaths, begun: Begun): Promise<void> {
  await place.host.files.writeAtomic(paths.dumping, JSON.stringify(begun), 0o600, { durable: false });
}

/** The dump is over and nothing of it is to be undone. */
export async function forgetDump(place: Place, paths: MachinePaths): Promise<void> {
  await place.host.files.remove(paths.dumping);
}

/**
 * The machine as it was before a dump that failed, or whose service was killed: not dumped any more, with the disk it
 * had, running if it ran. A conversation of its own, since the one that failed may have ended by its time limit. QEMU
 * may have ended as well, and then the disk is put together at the next start. No effect where no dump is noted.
 */
export async function undoDump(
  place: Place,
  paths: MachinePaths,
  log: (message: string) => void,
): Promise<void> {
  const text = await place.host.files.read(paths.dumping).then(String, () => '');
  if (text === '') return;
  const begun = JSON.parse(text) as Begun;
  try {
    const work = async (qmp: Qmp): Promise<void> => {
      await cancel(qmp);
      const disk = await readDisk(place, paths);
      // A split that was noted as done stays: what is frozen is only one layer more under the machine.
      if (disk?.number === begun.number) await undoSplit(place, paths, begun.number, qmp);
      const { running } = await qmp.execute('query-status');
      if (begun.running && !running) await goOn(qmp);
    };
    await withQmp(place.host, paths.qmp, work, { ms: place.config.dumpMs });
    // The guest would do so itself, but not at once.
    if (begun.running) await giveOrder(place.host, paths.orders, 'THAW', THAW_MS).catch(() => {});
    await forgetDump(place, paths);
  } catch (caught) {
    log(`undoing a dump of ${paths.directory}: ${PortLayerError.from(caught).describe()}`);
  }
}

/**
 * Resolves when QEMU does not dump any more. A live dump is let come to its end, which the bridge sees to: QEMU 7.2 does
 * not lift the write protection of one that is cancelled, and the guest would stand still at its next write.
 */
async function cancel(qmp: Qmp): Promise<void> {
  const capabilities = await qmp.execute('query-migrate-capabilities');
  const live = capabilities.some(({ capability, state }) => capability === 'background-snapshot' && state);
  if (!live) await qmp.execute('migrate_cancel');
  for (;;) {
    const { status = 'none' } = await qmp.execute('query-migrate');
    if (['none', 'completed', 'failed', 'cancelled'].includes(status)) return;
    await sleep(LOOK_MS);
  }
}
