import type { LevelsDefinition } from '../../proto/types/portlayer/execution/v1/Levels.js';
import type { CallOptions, Channel } from './channel.js';
import { levelOf, offerOf } from './from-wire.js';
import type { Capabilities, LevelOffer } from './levels.js';
import { choiceOf } from './plan-wire.js';

/** The calls on levels: what there is, and what it can do here and now. */
export interface LevelCalls {
  /** `refresh` looks at the hosts again instead of answering from the last look. */
  listLevels(query?: { refresh?: boolean }, options?: CallOptions): Promise<readonly LevelOffer[]>;
  /** What one container's four levels can do together. */
  getCapabilities(container: string, options?: CallOptions): Promise<Capabilities>;
}

/** The level calls over one channel. */
export function levelCalls(channel: Channel, api: LevelsDefinition): LevelCalls {
  return {
    async listLevels(query = {}, options) {
      return (await channel.unary(api.ListLevels, query, options)).levels.map(offerOf);
    },
    async getCapabilities(container, options) {
      const wire = await channel.unary(api.GetCapabilities, { container }, options);
      return {
        levels: wire.levels.map(offerOf),
        available: wire.available.map(({ tag = '', level, name = '' }) => ({
          tag,
          level: levelOf(level),
          name,
        })),
        withheld: wire.withheld.map(({ tag = '', level, name = '', reason = '' }) => ({
          tag,
          level: levelOf(level),
          name,
          reason,
        })),
        mechanisms: wire.mechanisms.map(choiceOf),
      };
    },
  };
}
