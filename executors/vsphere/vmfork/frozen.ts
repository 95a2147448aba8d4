import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Machines } from '../machines.js';
import { watchObject } from '../vim/watch.js';
import type { Ref } from '../vim/wire.js';

/**
 * Resolves when a machine has frozen itself (`instantclone.freeze` in its guest). Throws QUIESCE_TIMEOUT where it does not
 * in time, WRONG_STATE where it loses its power.
 */
export async function waitFrozen(
  machines: Machines,
  machine: Ref,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.timeout(ms);
  const paths = ['runtime.instantCloneFrozen', 'runtime.powerState'];
  try {
    for await (const values of watchObject(
      machines.vcenter.vim,
      machine,
      paths,
      AbortSignal.any([signal, limit]),
    )) {
      if (values['runtime.instantCloneFrozen'] === true) return;
      if (values['runtime.powerState'] !== 'poweredOn') throw lostPower(String(values['runtime.powerState']));
    }
  } catch (caught) {
    if (signal.aborted || !limit.aborted) throw caught;
    throw new PortLayerError('QUIESCE_TIMEOUT', 'The guest did not freeze itself.', {
      required: `instantclone.freeze within ${ms} ms`,
      found: 'it still runs',
      remedy:
        'See that VMware Tools (vmware-rpctool) are in the template, and that the hypervisor allows the freeze.',
    });
  }
}

function lostPower(found: string): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'The virtual machine lost its power before it was frozen.', {
    required: 'poweredOn',
    found,
    remedy: 'See its events in vCenter, and ask again.',
  });
}
