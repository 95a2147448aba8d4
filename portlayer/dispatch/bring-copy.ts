import type { CheckpointRecord } from '../model/checkpoint-record.js';
import { mechanismNamed } from './choose-mechanism.js';
import { type Core, executorOf } from './core.js';
import type { Bringer } from './runs.js';

/** How a copy of a checkpoint comes to run: by the mechanism that made it; undefined where it begins from its disk alone. */
export function bringerOf(core: Core, from: CheckpointRecord): Bringer | undefined {
  const mechanism = mechanismNamed(core, from.spec, from.mechanism);
  if (!mechanism) return undefined;
  return async (request, signal) => {
    const held = await core.store.hold(from.crid);
    try {
      const reader = { record: from, directory: held.directory };
      return await mechanism.restore(reader, request, executorOf(core, request.spec), signal);
    } finally {
      held.release();
    }
  };
}
