import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Bind } from '../../portlayer/plugin/executor.js';
import { checkLimits } from './check-spec.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';

/** CPU and memory of a running container by the cgroups that runc made; 0 CPUs by the freezer, or by the init where there is none. */
export function createBind(place: Place, containers: Containers): Bind {
  const byCgroup = place.cgroups.places.has('freezer');
  return {
    async bind(uid, resources) {
      const client = await containers.known(uid);
      if (resources.cpus !== undefined && resources.cpus < 0) throw negative(resources.cpus);
      await client.init(AbortSignal.timeout(10_000)); // Throws WRONG_STATE if it has ended.
      checkLimits(place, resources);
      const group = containers.group(uid);
      if (resources.cpus === 0) return byCgroup ? group.freeze() : client.freeze();
      const { cpus, ...others } = resources;
      await group.limit(cpus === undefined ? others : { ...others, cpus });
      await (byCgroup ? group.thaw() : client.thaw());
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
