import { negotiateFor, planFor } from './choose-mechanism.js';
import type { Core } from './core.js';
import type { Dispatch } from './dispatch.js';
import { findContainer } from './find.js';

/** The calls on levels and capabilities. */
export function levelCalls(core: Core): Pick<Dispatch, 'levels' | 'capabilities' | 'planCheckpoint'> {
  return {
    levels: refresh => core.registry.survey(refresh),
    async capabilities(container) {
      const { spec, uid } = findContainer(core, container);
      return {
        negotiated: await negotiateFor(core, spec),
        mechanisms: await planFor(core, { spec, uid }, {}),
      };
    },
    async planCheckpoint(container, mechanism, stated) {
      const { spec, uid } = findContainer(core, container);
      return planFor(core, { spec, uid }, mechanism === undefined ? stated : { ...stated, mechanism });
    },
  };
}
