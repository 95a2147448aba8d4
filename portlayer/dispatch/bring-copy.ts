import { PortLayerError } from '../errors/port-layer-error.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { changedFiles } from '../store/dump-files.js';
import { mechanismNamed } from './choose-mechanism.js';
import { type Core, executorOf } from './core.js';
import { holdOn, remoteHost } from './image-travel.js';
import type { Bringer } from './runs.js';

/** How a copy of a checkpoint comes to run: by the mechanism that made it; undefined where it begins from its disk alone. */
export function bringerOf(core: Core, from: CheckpointRecord, to = from.spec): Bringer | undefined {
  const mechanism = mechanismNamed(core, to, from.mechanism);
  if (!mechanism) return undefined;
  return async (request, signal) => {
    const held = await holdOn(core, request.spec.environment, from, signal);
    const wayIsFree = core.store.giveWay();
    try {
      // What went to another host was compared with its digest there.
      const here = remoteHost(core, request.spec.environment) === undefined;
      const changed = here ? await changedFiles(held.directory, from.image?.files ?? {}) : [];
      if (changed.length > 0) throw corrupt(from.crid, changed.join('; '));
      const reader = { record: from, directory: held.directory };
      return await mechanism.restore(reader, request, executorOf(core, request.spec), signal);
    } finally {
      wayIsFree();
      held.release();
    }
  };
}

function corrupt(crid: string, found: string): PortLayerError {
  return new PortLayerError(
    'CHECKPOINT_CORRUPT',
    `The image of checkpoint ${crid} is not as it was committed.`,
    {
      required: 'every file of the dump with its size',
      found,
      remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
      facts: { crid },
    },
  );
}
