import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Containers } from './containers.js';
import { extraConfig } from './machines.js';
import { KEYS } from './names.js';
import { powerOff } from './start.js';

/** How long the guest may take to kill its task before the machine is powered off, in milliseconds. */
const KILL_MS = 5_000;

/** SIGTERM to the task, SIGKILL after `graceMs`. Resolves when it has ended; at once where it does not run. */
export async function stopMachine(containers: Containers, uid: string, graceMs: number): Promise<void> {
  const signal = AbortSignal.timeout(containers.machines.config.taskMs);
  const machine = await containers.find(uid, signal);
  if (!machine || machine.power === 'poweredOff') return;
  const client = containers.client(uid);
  if (machine.power === 'suspended')
    await containers.machines.task('PowerOnVM_Task', machine.ref, {}, signal);
  if (graceMs > 0) {
    client.order(`SIGNAL n=${constants.signals.SIGTERM}`);
    if (await within(client.ended, graceMs)) return;
  }
  await killMachine(containers, uid);
}

/** SIGKILL to everything in it; a guest that does not do so loses its power. Resolves when it has ended. */
export async function killMachine(containers: Containers, uid: string): Promise<void> {
  const signal = AbortSignal.timeout(containers.machines.config.taskMs);
  const { machines } = containers;
  const machine = await containers.find(uid, signal);
  if (!machine || machine.power === 'poweredOff') return;
  const client = containers.client(uid);
  if (machine.power === 'poweredOn') {
    client.order('KILL');
    if (await within(client.ended, KILL_MS)) return;
  }
  const exit = { code: 137, signal: constants.signals.SIGKILL, oomKilled: false, atMs: Date.now() };
  await machines.reconfigure(machine.ref, () => extraConfig({ [KEYS.exit]: JSON.stringify(exit) }), signal);
  await powerOff(containers, machine.ref, signal);
  await client.ended;
}

/** True where it came in time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(ms, false, { signal: timer.signal }).catch(() => false),
    ]);
  } finally {
    timer.abort();
  }
}
