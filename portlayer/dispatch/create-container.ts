import { isDeepStrictEqual } from 'node:util';
import { PortLayerError } from '../errors/port-layer-error.js';
import type { ContainerRecord } from '../model/container-record.js';
import { type ContainerSpec, compileContainerSpec } from '../model/container-spec.js';
import { newUlid } from '../model/ids.js';
import { type Core, executorOf } from './core.js';
import { checkSecrets } from './secrets.js';
import { signalNumber } from './signal-names.js';

/** What a container begins with when it is a copy. */
export type Origin = Pick<ContainerRecord, 'layers' | 'restoredFrom' | 'head' | 'loop'>;

/**
 * Checks a spec against its schema, its own sense, and what its levels' hosts can give; nothing is started.
 * Throws INVALID_SPEC or CAPABILITY_MISSING.
 */
export async function compileSpec(core: Core, partial: unknown): Promise<ContainerSpec> {
  const spec = withNetwork(core, compileContainerSpec(partial), partial);
  const convention = spec.task.exitCode;
  if (convention) {
    signalNumber(convention.signal);
    if (convention.checkpoint === convention.complete) {
      throw new PortLayerError(
        'INVALID_SPEC',
        'The checkpoint code and the complete code are the same: the task would never end.',
        {
          required: 'two different exit codes',
          found: `${convention.checkpoint} for both`,
          remedy: 'Give the task another code for "checkpoint", commonly 85.',
          facts: { field: 'task.exitCode.checkpoint' },
        },
      );
    }
  }
  checkSecrets(spec);
  requireNeeds(core, spec);
  await core.registry.loader(spec.loader).plan(spec, core.registry.environment(spec.environment).host);
  await executorOf(core, spec).check(spec);
  return spec;
}

/** What the loader needs of its executor, the executor must have: no host can add it. */
function requireNeeds(core: Core, spec: ContainerSpec): void {
  const { capabilities } = executorOf(core, spec);
  const lacking = core.registry.loader(spec.loader).needs?.filter(tag => !capabilities.includes(tag)) ?? [];
  if (lacking.length === 0) return;
  const able = core.registry
    .executors()
    .filter(({ executor }) => lacking.every(tag => executor.capabilities.includes(tag)))
    .map(({ executor }) => executor.name);
  throw new PortLayerError(
    'CAPABILITY_MISSING',
    `The loader ${spec.loader} cannot work in the executor ${spec.executor}.`,
    {
      required: `an executor with ${lacking.join(', ')}`,
      found: `${spec.executor}: ${capabilities.join(', ')}`,
      remedy: `Choose another executor (${[...new Set(able)].join(', ') || 'none here has it'}) or another loader.`,
      facts: { field: 'loader', level: 'executor', name: spec.executor },
    },
  );
}

/** A spec that says nothing of its network gets what the executor's users expect: docker's have one of their own. */
function withNetwork(core: Core, spec: ContainerSpec, partial: unknown): ContainerSpec {
  if ((partial as Partial<ContainerSpec> | undefined)?.network !== undefined) return spec;
  return { ...spec, network: executorOf(core, spec).defaultNetwork ?? spec.network };
}

/** Records a container in state `created`. Same name and spec again: the one that is there. Throws ALREADY_EXISTS. */
export async function recordContainer(
  core: Core,
  spec: ContainerSpec,
  origin: Origin,
): Promise<ContainerRecord> {
  const there = core.catalog.container(spec.name);
  if (there) {
    if (isDeepStrictEqual(there.spec, spec) && there.restoredFrom === origin.restoredFrom) return there;
    throw new PortLayerError('ALREADY_EXISTS', `There is a container ${spec.name} with another spec.`, {
      required: 'a name that is free, or the same spec',
      found: `${spec.name} (${there.state})`,
      remedy: `Choose another name, or remove it with: portlayer rm ${spec.name}`,
      facts: { container: spec.name },
    });
  }
  const uid = newUlid();
  const record: ContainerRecord = {
    uid,
    spec,
    state: 'created',
    generation: 0,
    createdAtMs: Date.now(),
    ...origin,
  };
  await core.specs.put(uid, spec);
  // The name may have been taken while the spec was written: the catalog's transaction decides.
  const taken = core.catalog.transaction(() => {
    if (core.catalog.container(spec.name)) return true;
    core.ledger.write({ container: record, type: 'created' });
    return false;
  });
  if (taken) {
    await core.specs.remove(uid);
    return recordContainer(core, spec, origin);
  }
  return core.catalog.containerByUid(uid)!;
}
