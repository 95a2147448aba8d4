import { setTimeout as sleep } from 'node:timers/promises';
import { readExitFile } from '../../portlayer/environments/monitor/exit-result.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Containers } from './containers.js';
import { killContainer } from './ending.js';
import type { MachinePaths } from './layout.js';
import type { Place } from './place.js';

const TAIL_BYTES = 600;

/**
 * Waits for the first word of the init in a guest. False where the boot hung and may be tried again. A task that has
 * ended by then has run. Throws EXECUTOR_UNAVAILABLE, with the last lines of the console, for a machine that does not boot.
 */
export async function waitForInit(
  place: Place,
  containers: Containers,
  uid: string,
  again: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const client = containers.client(uid);
  const paths = containers.paths(uid);
  const timer = new AbortController();
  const timeout = sleep(place.config.bootMs, 'late' as const, { signal: timer.signal }).catch(
    () => 'late' as const,
  );
  const limit = AbortSignal.any([signal, timer.signal]);
  try {
    const first = await Promise.race([
      client.init(limit).then(() => 'up' as const),
      client.ended.then(() => 'ended' as const),
      timeout,
    ]);
    if (first === 'up') return true;
    if (first === 'late') {
      signal.throwIfAborted();
      const heard = await lastWords(place, paths);
      await killContainer(place, containers, uid);
      if (again) return false;
      throw doesNotBoot(
        `no word of the init within ${place.config.bootMs} ms, ${place.config.bootTries} times`,
        heard,
      );
    }
  } catch (caught) {
    if (!client.isOver()) throw caught;
  } finally {
    timer.abort();
  }
  const exit = await readExitFile(place.host, paths.directory);
  // The init says itself why a task could not be executed; that is an exit like others.
  if (exit?.failure === undefined || !/^(The machine ended|QEMU ended)/.test(exit.failure)) return true;
  const heard = await lastWords(place, paths);
  // What did not run has not ended: its exit is told by this error only.
  await place.host.files.remove(`${paths.directory}/exit`);
  throw doesNotBoot(exit.failure, heard);
}

/** The ends of what the guest's kernel and QEMU have said. */
export async function lastWords(place: Place, paths: MachinePaths): Promise<string> {
  const tails = await Promise.all([paths.console, paths.errors].map(path => tailOf(place, path)));
  return tails.filter(text => text !== '').join('\n') || 'nothing on the console';
}

async function tailOf(place: Place, path: string): Promise<string> {
  const { files } = place.host;
  const size = await files.size(path).catch(() => 0);
  if (size === 0) return '';
  const text = (await files.readFrom(path, Math.max(0, size - TAIL_BYTES), TAIL_BYTES)).toString();
  // The guest writes this: no control characters into an error message.
  return text
    .replaceAll(/[^\n\x20-\x7e]/g, '')
    .replace(/^[^\n]*\n(?=.)/, '')
    .trim();
}

function doesNotBoot(found: string, heard: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The machine does not boot. Its last words:\n${heard}`, {
    required: 'a kernel and a disk that boot to the init',
    found,
    remedy:
      'Correct the kernel or the disk (see the last words); "portlayer doctor" shows which kernel is used.',
  });
}
