import type { Accelerator } from '../accelerator.js';
import type { MachineOptions } from '../options.js';
import type { Place } from '../place.js';

/**
 * What is added to a guest kernel's command line so that it knows its time stamp counter. A microvm has no clock to
 * measure it by but the PIT; under TCG, on a host with something else to do, that fails, and the kernel then waits for a
 * timer that never comes (11 of 12 boots at a load of 9, none of 4 when told). TCG shows guests the host's own counter.
 */
export async function clockArgument(
  place: Place,
  machine: MachineOptions['machine'],
  accelerator: Accelerator['name'],
): Promise<string> {
  if (machine !== 'microvm' || accelerator !== 'tcg') return '';
  const { stdout } = await place.host.run([place.host.initBinary, 'machine-clock']);
  const khz = /^\d{5,8}$/.exec(stdout.trim())?.[0];
  return khz === undefined ? '' : ` tsc_early_khz=${khz}`;
}
