import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Bind } from '../../portlayer/plugin/executor.js';
import { noLimit } from './check-spec.js';
import type { Containers } from './containers.js';
import { hasEnded } from './guest/machine-client.js';
import { faultOf } from './vim/fault.js';

/** Pause is vSphere's suspend, thawing its power-on: the machine goes on where it was. CPUs are the template's. */
export function createBind(containers: Containers): Bind {
  return {
    async bind(uid, { cpus, memoryBytes }) {
      const signal = AbortSignal.timeout(containers.machines.config.taskMs);
      const machine = await containers.known(uid, signal);
      if (cpus !== undefined && cpus !== 0) throw cpus < 0 ? negative(cpus) : noLimit(cpus);
      if (machine.power === 'poweredOff' || containers.client(uid).isOver()) throw hasEnded();
      void memoryBytes; // What it booted with.
      const method = cpus === 0 ? 'SuspendVM_Task' : 'PowerOnVM_Task';
      if ((machine.power === 'suspended') === (cpus === 0)) return;
      await containers.machines.task(method, machine.ref, {}, signal).catch(caught => {
        if (faultOf(caught) !== 'InvalidPowerState') throw caught;
        throw hasEnded();
      });
    },
  };
}

function negative(cpus: number): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The number of CPUs is not valid.', {
    required: '0 to pause',
    found: String(cpus),
    remedy: 'Correct cpus and repeat the call.',
    facts: { field: 'resources.cpus' },
  });
}
