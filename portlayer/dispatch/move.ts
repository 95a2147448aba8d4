import { PortLayerError } from '../errors/port-layer-error.js';
import { CONTAINER_STATES, type ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { Calls } from './calls.js';
import { copy } from './copies.js';
import { type Core, executorOf, recordOf } from './core.js';
import type { Dispatch, Moved, MoveRequest } from './dispatch.js';
import { EXIT_CODE } from './exit-code.js';
import { findCheckpoint, findContainer } from './find.js';
import { fitting, requireReachable } from './fitting.js';
import { holdOn } from './image-travel.js';
import { bringLayersBack } from './layer-cache.js';
import type { Runs } from './runs.js';

/** The calls of the dispatch that a move is made of. */
type Steps = Pick<
  Dispatch,
  'createCheckpoint' | 'planCheckpoint' | 'bindContainer' | 'startContainer' | 'removeContainer'
>;

/**
 * The call that takes a container to another environment: a first checkpoint goes over while it runs, then it is
 * frozen, the rest goes over, and the copy runs on under its name. If anything fails it is thawed where it was.
 */
export function moveCalls(
  core: Core,
  calls: Calls,
  runs: Runs,
  steps: Steps,
): Pick<Dispatch, 'moveContainer'> {
  return {
    moveContainer: (requestId, request, signal) =>
      calls.once(requestId, 'MoveContainer', { ...request }, () => move(core, runs, steps, request, signal)),
  };
}

async function move(
  core: Core,
  runs: Runs,
  steps: Steps,
  request: MoveRequest,
  signal: AbortSignal,
): Promise<Moved> {
  const record = requireMovable(core, request);
  const { name } = record.spec;
  await requireReachable(core, request.environment);
  const plan = await steps.planCheckpoint(name, request.mechanism, {});
  const mechanism = plan.find(verdict => verdict.chosen)?.mechanism;
  const take = async (stopAfter: boolean): Promise<string> => {
    const taken = await steps.createCheckpoint(
      '',
      {
        container: name,
        ...(mechanism === undefined ? {} : { mechanism }),
        labels: { move: request.environment },
        durability: 'captured',
        stopAfter,
      },
      () => {},
      signal,
    );
    await fitting(core, findCheckpoint(core, taken.crid), {}, request.environment);
    await send(core, taken.crid, { ...record.spec, environment: request.environment }, signal);
    return taken.crid;
  };
  // A task that exits to checkpoint is not running while its image goes over: its disk is all there is.
  const freezes = mechanism !== EXIT_CODE && executorOf(core, record.spec).bind !== undefined;
  if (freezes) await take(false);
  const frozenAt = performance.now();
  const temporary = `m-${record.uid.toLowerCase()}`;
  mark(core, record.uid, temporary);
  try {
    if (freezes) await steps.bindContainer('', name, { ...record.spec.resources, cpus: 0 });
    const crid = await take(!freezes);
    const from = findCheckpoint(core, crid);
    const made = await copy(core, runs, from, temporary, {}, request.environment);
    const downtimeMs = performance.now() - frozenAt;
    await takeName(core, record.uid, made.uid);
    await steps.removeContainer('', core.catalog.containerByUid(record.uid)?.spec.name ?? '', true);
    return { container: recordOf(core, made.uid), checkpoint: crid, downtimeMs };
  } catch (caught) {
    await undoMove(core, steps, record.uid);
    throw caught;
  }
}

/** Takes what is needed of a checkpoint to where it is to run, before anything is started there. */
async function send(core: Core, crid: string, spec: ContainerSpec, signal: AbortSignal): Promise<void> {
  const record = findCheckpoint(core, crid);
  await bringLayersBack(core, record, spec);
  if (record.mechanism !== EXIT_CODE) (await holdOn(core, spec.environment, record, signal)).release();
}

function requireMovable(core: Core, { container, environment }: MoveRequest): ContainerRecord {
  const record = findContainer(core, container);
  core.registry.environment(environment);
  const { name, environment: here } = record.spec;
  if (here === environment) {
    throw new PortLayerError('INVALID_SPEC', `Container ${name} is in ${here} already.`, {
      required: 'another environment',
      found: environment,
      remedy: 'Name another one: portlayer capabilities lists them.',
      facts: { field: 'environment' },
    });
  }
  if (record.state === 'running') return record;
  throw new PortLayerError('WRONG_STATE', `Container ${name} is ${record.state}.`, {
    required: 'running',
    found: record.state,
    remedy: 'Start or unpause it first.',
  });
}

/** Written before it is frozen, so that a service that is killed meanwhile lets it run on at its next start. */
function mark(core: Core, uid: string, copyName: string): void {
  core.ledger.write({
    container: { ...recordOf(core, uid), moving: copyName },
    type: 'moving',
    facts: { copy: copyName },
  });
}

/** The moment of the move: from here on the name is the copy's. */
async function takeName(core: Core, original: string, copyUid: string): Promise<void> {
  const { moving, ...before } = recordOf(core, original);
  const after = recordOf(core, copyUid);
  const spec = { ...after.spec, name: before.spec.name };
  await core.specs.put(copyUid, spec);
  core.ledger.write(
    { container: { ...before, spec: { ...before.spec, name: `${moving}-was` } }, type: 'moved' },
    {
      container: { ...after, spec },
      type: 'moved',
      facts: { from: before.spec.environment, to: spec.environment },
    },
  );
}

/** The copy goes, and the original runs on. Idempotent. */
async function undoMove(core: Core, steps: Steps, uid: string): Promise<void> {
  const record = core.catalog.containerByUid(uid);
  if (record?.moving === undefined) return;
  const made = core.catalog.container(record.moving);
  if (made) await steps.removeContainer('', made.spec.name, true);
  const { moving: _, ...kept } = recordOf(core, uid);
  core.ledger.write({ container: kept, type: 'move-undone' });
  if (kept.state === 'paused') await steps.bindContainer('', kept.spec.name, kept.spec.resources);
  if (kept.state === 'exited') await steps.startContainer('', kept.spec.name);
}

/** Moves that a killed service left half done are undone, one after the other, in the background. */
export async function undoMoves(core: Core, steps: Steps): Promise<void> {
  const all = core.catalog.containers({ states: CONTAINER_STATES, limit: 1_000_000 }).items;
  for (const { uid, spec } of all.filter(record => record.moving !== undefined)) {
    await undoMove(core, steps, uid).catch(caught => core.log(`move of ${spec.name}: ${String(caught)}`));
  }
}
