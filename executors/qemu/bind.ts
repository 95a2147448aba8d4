import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Bind } from '../../portlayer/plugin/executor.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';
import { askMachine } from './silence.js';

/** Pauses a machine by QMP `stop`, and limits what its QEMU may use of a CPU by a cgroup. Memory is what it booted with. */
export function createBind(place: Place, containers: Containers): Bind {
  return {
    async bind(uid, resources) {
      const client = await containers.known(uid);
      const { cpus } = resources;
      if (cpus !== undefined && cpus < 0) throw negative(cpus);
      const init = await client.init(AbortSignal.timeout(10_000)); // Throws WRONG_STATE if it has ended.
      if (cpus !== undefined && cpus > 0 && !place.cgroups.places.has('cpu')) throw noLimit(cpus, place);
      if (cpus !== 0 && place.cgroups.places.has('cpu')) {
        const group = containers.group(uid);
        if (cpus !== undefined) await group.join(init);
        await group.limit(cpus === undefined ? {} : { cpus });
      }
      await askMachine(place, containers, uid, qmp => qmp.execute(cpus === 0 ? 'stop' : 'cont'));
    },
  };
}

function negative(cpus: number): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The number of CPUs is not valid.', {
    required: '0 to pause, or more',
    found: String(cpus),
    remedy: 'Correct cpus and repeat the call.',
    facts: { field: 'resources.cpus' },
  });
}

function noLimit(cpus: number, place: Place): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', 'This host cannot give what resources.cpus asks for.', {
    required: `a writable cgroup controller cpu, for ${cpus}`,
    found: place.cgroups.reason ?? `cgroups: ${place.cgroups.kind}`,
    remedy: place.cgroups.remedy ?? 'Run the service as root.',
    facts: { field: 'resources.cpus', level: 'executor', name: 'qemu' },
  });
}
