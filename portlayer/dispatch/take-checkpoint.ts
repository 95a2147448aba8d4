import { PortLayerError } from '../errors/port-layer-error.js';
import { checkpointTransitions } from '../lifecycle/checkpoint-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { CheckpointRecord, PhaseTimes, TriggerSource } from '../model/checkpoint-record.js';
import type { DumpFacts, Mechanism, Phase, Running } from '../plugin/mechanism.js';
import type { Chosen } from './choose-mechanism.js';
import type { Committer } from './committer.js';
import { type Core, executorOf, recordOf } from './core.js';
import { dropCopies, pullDump, stageOn } from './image-travel.js';
import { limitPause } from './limit-pause.js';
import { constraintsOf, rootfsConstraint } from './mechanism-constraints.js';
import { newCheckpoint } from './new-checkpoint.js';
import { requireQuota } from './quota.js';
import type { Runs } from './runs.js';
import { fillStandbys } from './standbys.js';

/** What a plugin's mechanism is asked for. */
export interface Taking {
  readonly source: TriggerSource;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopAfter: boolean;
  /** How long nothing of the container may execute, in milliseconds: then the dump is given up. */
  readonly maxPauseMs?: number;
  /** Told the CRID as soon as there is one. */
  readonly begun?: (crid: string) => void;
}

/**
 * Takes a checkpoint of a running container with a plugin's mechanism, up to `captured`; the commit follows in the
 * background. The caller holds the lock. On any failure nothing is listed and the container runs on.
 */
export async function takeCheckpoint(
  core: Core,
  runs: Runs,
  committer: Committer,
  uid: string,
  chosen: Chosen & { readonly mechanism: Mechanism },
  asked: Taking,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const container = recordOf(core, uid);
  if (container.state !== 'running' && container.state !== 'paused') {
    throw new PortLayerError('WRONG_STATE', `Container ${container.spec.name} is ${container.state}.`, {
      required: 'running or paused',
      found: container.state,
      remedy: 'Start it first, with: portlayer start NAME',
    });
  }
  const { mechanism } = chosen;
  const offers = await core.registry.offers(
    container.spec.environment,
    container.spec.executor,
    container.spec.loader,
  );
  const constraints = constraintsOf(core, container.spec, mechanism, offers);
  const requested = newCheckpoint(core, {
    container,
    mechanism: mechanism.name,
    level: mechanism.level,
    constraints,
    ...asked,
  });
  core.ledger.write({ checkpoint: requested, type: 'requested' });
  asked.begun?.(requested.crid);
  const phases = new PhaseClock();
  const pause = limitPause(asked.maxPauseMs);
  const until = pause ? AbortSignal.any([signal, pause.signal]) : signal;
  const wayIsFree = core.store.giveWay();
  try {
    requireQuota(core, uid);
    await core.store.requireRoom(0);
    const { environment } = container.spec;
    const directory = await stageOn(core, environment, requested.crid);
    const executor = executorOf(core, container.spec);
    const running: Running = {
      uid,
      spec: container.spec,
      handle: container.handle!,
      executor,
      layers: container.layers,
    };
    const gate = async (phase: Phase): Promise<void> => {
      until.throwIfAborted();
      phases.enter(phase);
      pause?.enter(phase);
      if (phase !== 'thawed') step(core, requested.crid, phase === 'quiescing' ? 'quiesce' : 'dump');
    };
    const facts = await mechanism.checkpoint(
      running,
      { crid: requested.crid, directory, layer: requested.crid },
      gate,
      { stopAfter: asked.stopAfter },
      until,
    );
    phases.end();
    await pullDump(core, environment, requested.crid, until);
    if (core.catalog.checkpoint(requested.crid)?.state !== 'dumping') step(core, requested.crid, 'dump');
    const rootfs = await rootfsConstraint(core, container.spec, mechanism);
    const all = { ...facts, constraints: [...(facts.constraints ?? []), ...rootfs] };
    return await writeCaptured(core, committer, runs, uid, requested.crid, all, phases.times());
  } catch (caught) {
    const cause: unknown = pause?.signal.aborted ? pause.signal.reason : caught;
    await undo(core, requested.crid, PortLayerError.from(cause));
    throw cause;
  } finally {
    wayIsFree();
    pause?.end();
  }
}

async function writeCaptured(
  core: Core,
  committer: Committer,
  runs: Runs,
  uid: string,
  crid: string,
  { layers, running, constraints = [] }: DumpFacts,
  phases: PhaseTimes,
): Promise<CheckpointRecord> {
  const container = recordOf(core, uid);
  const own = layers.at(-1);
  const frozen =
    own === undefined
      ? { bytes: 0, entries: 0, digest: '' }
      : await executorOf(core, container.spec).disk.describe(own);
  const dump = Object.values(await core.store.weigh(crid));
  const bytes = dump.reduce((sum, size) => sum + size, frozen.bytes);
  const checkpoint = core.catalog.checkpoint(crid)!;
  const captured: CheckpointRecord = {
    ...checkpoint,
    state: advance(checkpointTransitions, `checkpoint ${crid}`, checkpoint.state, 'capture'),
    constraints: [...checkpoint.constraints, ...constraints],
    image: { bytes, entries: frozen.entries, digest: frozen.digest, layers, files: {} },
    phases,
  };
  core.ledger.write(
    { checkpoint: captured, type: 'captured' },
    {
      container: { ...container, head: crid, layers, ...(running ? {} : { stopRequested: true }) },
      type: 'checkpointed',
      facts: { checkpoint: crid },
    },
  );
  committer.schedule(crid);
  fillStandbys(core, crid);
  if (!running) {
    const exit = { code: 0, signal: 0, oomKilled: false, atMs: Date.now() };
    await runs.end(uid, exit);
  }
  return captured;
}

function step(core: Core, crid: string, event: 'quiesce' | 'dump'): void {
  const checkpoint = core.catalog.checkpoint(crid)!;
  const state = advance(checkpointTransitions, `checkpoint ${crid}`, checkpoint.state, event);
  core.ledger.write({ checkpoint: { ...checkpoint, state }, type: state });
}

async function undo(core: Core, crid: string, error: PortLayerError): Promise<void> {
  const checkpoint = core.catalog.checkpoint(crid);
  if (!checkpoint || checkpoint.state === 'captured' || checkpoint.state === 'failed') return;
  const failure = {
    phase: checkpoint.state,
    code: error.code,
    message: error.message,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  };
  core.ledger.write({
    checkpoint: { ...checkpoint, state: 'failed', failure },
    type: 'failed',
    facts: { code: error.code, phase: failure.phase, reason: error.message },
  });
  await core.store.remove(crid, false);
  await dropCopies(core, crid);
}

/** Times the phases as the mechanism enters them. */
class PhaseClock {
  private readonly spans: Partial<Record<Phase, number>> = {};
  private current: Phase | undefined;
  private since = performance.now();

  enter(phase: Phase): void {
    this.end();
    this.current = phase;
  }

  end(): void {
    const now = performance.now();
    if (this.current) this.spans[this.current] = (this.spans[this.current] ?? 0) + now - this.since;
    this.since = now;
    this.current = undefined;
  }

  times(): PhaseTimes {
    const { quiescing, dumping, thawed } = this.spans;
    return {
      ...(quiescing === undefined ? {} : { quiesceMs: quiescing }),
      ...(dumping === undefined ? {} : { frozenMs: dumping }),
      ...(thawed === undefined ? {} : { dumpMs: thawed }),
    };
  }
}
