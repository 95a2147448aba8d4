import type { Mechanism } from '../../portlayer/plugin/mechanism.js';
import type { FakeWorld } from './world.js';

/** A mechanism that copies the container's files and nothing else, at once; it leaves the task running. */
export function createFakeMechanism(world: FakeWorld): Mechanism {
  return {
    name: 'fake',
    level: 'executor',
    card: {
      preserves: 'process',
      restores: 'here',
      keeps: ['files of the fake world'],
      loses: ['everything else'],
      needs: ['the same fake world'],
    },
    constraints: () => [{ level: 'executor', key: 'name', relation: 'equal', required: 'fake' }],
    async checkpoint(container, into, gate, options) {
      await gate('quiescing');
      await world.before('quiesce', container.uid);
      await gate('dumping');
      await world.before('dump', container.uid);
      const upper = world.containers.get(container.uid)!.upper;
      world.layers.set(into.layer, new Map(upper));
      world.dumps.set(into.crid, new Map(upper));
      await gate('thawed');
      if (options.stopAfter) await container.executor.stop(container.uid, 0);
      return { layers: [...container.layers, into.layer], running: !options.stopAfter };
    },
    async restore(from, as, executor, signal) {
      await world.before('restore', as.uid);
      return executor.start({ ...as, layers: from.record.image?.layers ?? [] }, signal);
    },
  };
}
