import type { GetCapabilitiesRequest__Output } from '../../proto/types/portlayer/execution/v1/GetCapabilitiesRequest.js';
import type { GetCapabilitiesResponse } from '../../proto/types/portlayer/execution/v1/GetCapabilitiesResponse.js';
import type { LevelOffer as WireOffer } from '../../proto/types/portlayer/execution/v1/LevelOffer.js';
import type { ListLevelsRequest__Output } from '../../proto/types/portlayer/execution/v1/ListLevelsRequest.js';
import type { LevelReport } from '../dispatch/dispatch.js';
import { type ApiContext, unary } from './call.js';
import { requiredText } from './from-wire.js';
import { verdictToWire } from './plan-wire.js';
import { enumValue } from './to-wire.js';

/** The service `Levels`: what there is at each level, and what each can do here and now. */
export function levelHandlers(context: ApiContext) {
  const { dispatch } = context;
  return {
    ListLevels: unary(context, async (request: ListLevelsRequest__Output) => {
      const levels = await dispatch.levels(request.refresh ?? false);
      return { levels: levels.map(offerToWire) };
    }),
    GetCapabilities: unary(context, async (request: GetCapabilitiesRequest__Output) => {
      const { negotiated, mechanisms } = await dispatch.capabilities(
        requiredText('container', request.container),
      );
      const response: GetCapabilitiesResponse = {
        levels: negotiated.offers.map(offerToWire),
        available: [...negotiated.available].map(([tag, { level, name }]) => ({
          tag,
          level: enumValue('LEVEL_', level),
          name,
        })),
        withheld: negotiated.withheld.map(each => ({ ...each, level: enumValue('LEVEL_', each.level) })),
        mechanisms: mechanisms.map(verdictToWire),
      };
      return response;
    }),
  };
}

function offerToWire(offer: LevelReport): WireOffer {
  const { level, name, environment = '', capabilities, fingerprint } = offer;
  return {
    level: enumValue('LEVEL_', level),
    name,
    environment,
    capabilities: [...capabilities],
    ...(fingerprint && {
      fingerprint: {
        health: enumValue('HEALTH_', fingerprint.health),
        description: fingerprint.description,
        findings: fingerprint.findings.map(finding => ({
          ...finding,
          removes: [...(finding.removes ?? [])],
        })),
      },
    }),
  };
}
