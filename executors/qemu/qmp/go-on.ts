import { setTimeout as sleep } from 'node:timers/promises';
import type { Qmp } from './qmp-client.js';

const LOOK_MS = 1;

/** Lets a machine go on. QEMU says that a dump is completed a moment before it allows that. */
export async function goOn(qmp: Qmp): Promise<void> {
  while ((await qmp.execute('query-status')).status === 'finish-migrate') await sleep(LOOK_MS);
  await qmp.execute('cont');
}
