import { PortLayerError } from '../errors/port-layer-error.js';
import { containerTransitions } from '../lifecycle/container-states.js';
import { advance } from '../lifecycle/lifecycle.js';
import type { ContainerExit, ContainerRecord } from '../model/container-record.js';
import { type ContainerSpec, compileContainerSpec } from '../model/container-spec.js';
import { beginFirst } from './begin-first.js';
import { caller } from './caller.js';
import type { Calls } from './calls.js';
import { type Core, executorOf, recordOf } from './core.js';
import { compileSpec, recordContainer } from './create-container.js';
import type { Dispatch } from './dispatch.js';
import { dropUnusedLayers } from './drop-layers.js';
import { findContainer } from './find.js';
import { pageOf, readToken } from './paging.js';
import type { Runs } from './runs.js';
import { forgetSecrets } from './secrets.js';
import { signalNumber } from './signal-names.js';

type ContainerCalls =
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'killContainer'
  | 'removeContainer'
  | 'getContainer'
  | 'listContainers'
  | 'waitContainer'
  | 'logs'
  | 'exec'
  | 'bindContainer'
  | 'updateContainer';

const SIGKILL = 9;

/** The calls on containers. */
export function containerCalls(core: Core, calls: Calls, runs: Runs): Pick<Dispatch, ContainerCalls> {
  return {
    createContainer: (requestId, partial) =>
      calls.once(requestId, 'CreateContainer', partial, async () =>
        recordContainer(core, await compileSpec(core, partial), { layers: [] }),
      ),

    startContainer: (requestId, name) =>
      calls.once(requestId, 'StartContainer', { name }, () => {
        const { uid } = findContainer(core, name);
        return core.locks.run(uid, 'start', () => start(core, runs, uid));
      }),

    stopContainer: (requestId, name, graceMs) =>
      calls.once(requestId, 'StopContainer', { name, graceMs }, () =>
        core.reserve.use(() => stop(core, name, graceMs)),
      ),

    killContainer: (requestId, name, signal) =>
      calls.once(requestId, 'KillContainer', { name, signal }, async () => {
        const number = forwardable(signalNumber(signal));
        if (number === SIGKILL) return core.reserve.use(() => stop(core, name, 0));
        const { uid, spec } = findContainer(core, name);
        await core.locks.run(uid, 'kill', async () => {
          requireRunning(recordOf(core, uid), ['running', 'paused']);
          await executorOf(core, spec).signal(uid, number);
        });
        return recordOf(core, uid);
      }),

    removeContainer: (requestId, name, force) =>
      calls.once(requestId, 'RemoveContainer', { name, force }, async () => {
        const record = core.catalog.container(name);
        if (!record) return;
        const runsNow = !['created', 'exited', 'removing'].includes(record.state);
        await core.reserve.use(async () => {
          if (force && runsNow) await stop(core, name, 0);
          await core.locks.run(record.uid, 'remove', () => removeContainer(core, record.uid));
        });
        core.reserve.refill();
      }),

    getContainer: async name => findContainer(core, name),

    async listContainers(filter, page) {
      const after = readToken(page.token);
      return pageOf(
        core.catalog.containers({ ...filter, limit: page.size, ...(after === undefined ? {} : { after }) }),
      );
    },

    waitContainer: (name, signal) => exitOf(core, findContainer(core, name).uid, signal),

    async *logs(name, options, signal) {
      const { uid, spec, startedAtMs, state } = findContainer(core, name);
      if (startedAtMs === undefined && state !== 'starting') return;
      // A loop's log goes on between its runs: only the core knows when it is over.
      const isOver = async (): Promise<boolean> =>
        ['exited', 'removing'].includes(core.catalog.containerByUid(uid)?.state ?? 'removing');
      yield* executorOf(core, spec).logs(uid, { ...options, isOver }, signal);
    },

    async exec(name, command, signal) {
      const record = findContainer(core, name);
      requireRunning(record, ['running']);
      const { exec } = executorOf(core, record.spec);
      if (!exec) throw missing(record.spec, 'exec');
      if (command.argv.length === 0) {
        throw new PortLayerError('INVALID_SPEC', 'There is no command to run.', {
          required: 'at least one word',
          found: 'none',
          remedy: 'Write it after the name: portlayer exec NAME -- COMMAND',
          facts: { field: 'argv' },
        });
      }
      core.audit.record({ who: caller(), what: 'ExecContainer', on: name, outcome: 'allowed' });
      return exec.exec(record.uid, command, signal);
    },

    bindContainer: (requestId, name, resources) =>
      calls.once(requestId, 'BindContainer', { name, resources }, () => {
        const { uid } = findContainer(core, name);
        return core.locks.run(uid, 'bind', () => bind(core, uid, resources));
      }),

    updateContainer: (requestId, name, generation, change) =>
      calls.once(requestId, 'UpdateContainer', { name, generation, change }, () => {
        const { uid } = findContainer(core, name);
        return core.locks.run(uid, 'update', () => update(core, uid, generation, change));
      }),
  };
}

/** Signals that are the kernel's or the relay protocol's own and never reach the task. Source: design/relay-protocol.md. */
const NOT_FORWARDED: Readonly<Record<number, string>> = {
  17: 'SIGCHLD is the kernel’s own',
  19: 'SIGSTOP would not stop what the task started; use portlayer pause',
  39: 'it asks for a checkpoint; use portlayer checkpoint create',
  40: 'it answers a checkpoint',
  41: 'it is the relay’s doorbell',
  42: 'it freezes and thaws; use portlayer pause',
};

function forwardable(signal: number): number {
  const why = NOT_FORWARDED[signal];
  if (why === undefined) return signal;
  throw new PortLayerError('INVALID_SPEC', `Signal ${signal} is not sent to a task: ${why}.`, {
    required: 'a signal that a task may be sent',
    found: String(signal),
    remedy: 'Send another one, for example SIGTERM or SIGUSR1.',
    facts: { field: 'signal' },
  });
}

async function start(core: Core, runs: Runs, uid: string): Promise<ContainerRecord> {
  const record = recordOf(core, uid);
  if (record.state === 'running') return record;
  const { loop, ...rest } = record;
  // A loop that ended begins to count anew; where it left off stays in its disk.
  const kept: ContainerRecord =
    loop && record.state === 'exited'
      ? { ...rest, ...(record.head ? { restoredFrom: record.head } : {}) }
      : record;
  if (kept !== record) core.ledger.write({ container: kept, type: 'loop-reset' });
  return record.state === 'created' ? beginFirst(core, runs, uid) : runs.begin(uid);
}

/** Marks it first, so that the exit that follows is known as ours, also after a crash in between. */
async function stop(core: Core, name: string, graceMs: number): Promise<ContainerRecord> {
  const { uid, spec } = findContainer(core, name);
  const stops = await core.locks.run(uid, 'stop', async () => {
    const record = recordOf(core, uid);
    if (record.state === 'exited' || record.state === 'created') return false;
    const state = advance(containerTransitions, `container ${name}`, record.state, 'stop');
    core.ledger.write({ container: { ...record, state, stopRequested: true }, type: 'stopping' });
    return true;
  });
  if (stops) {
    await executorOf(core, spec).stop(uid, graceMs);
    await exitOf(core, uid, core.closing);
  }
  return findContainer(core, name);
}

/** Removes what the executor keeps, then the record; recovery finishes what is cut short. Checkpoints stay. */
export async function removeContainer(core: Core, uid: string): Promise<void> {
  const record = core.catalog.containerByUid(uid);
  if (!record) return;
  const state = advance(containerTransitions, `container ${record.spec.name}`, record.state, 'remove');
  core.ledger.write({ container: { ...record, state }, type: 'removing' });
  await executorOf(core, record.spec).destroy(uid);
  await core.specs.remove(uid);
  core.ledger.write({ dropContainer: record });
  await forgetSecrets(core, uid, record.spec);
  core.gate.forget(uid);
  core.refusals.forget(uid);
  await dropUnusedLayers(core, record.spec, record.layers);
}

function exitOf(core: Core, uid: string, signal: AbortSignal): Promise<ContainerExit> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      unwatch();
      signal.removeEventListener('abort', cancel);
      settle();
    };
    const cancel = (): void =>
      finish(() => reject(new PortLayerError('CANCELED', 'The wait was cancelled.')));
    const look = (): void => {
      const record = core.catalog.containerByUid(uid);
      if (!record) finish(() => reject(new PortLayerError('NOT_FOUND', 'The container was removed.')));
      else if (record.state === 'exited' && record.exit) finish(() => resolve(record.exit!));
    };
    const unwatch = core.ledger.watch(event => {
      if (event.facts.uid === uid) look();
    });
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    else look();
  });
}

async function bind(
  core: Core,
  uid: string,
  resources: ContainerSpec['resources'],
): Promise<ContainerRecord> {
  const record = recordOf(core, uid);
  requireRunning(record, ['running', 'paused']);
  const checked = compileContainerSpec({
    ...record.spec,
    resources: { ...resources, ...(resources.cpus === 0 ? { cpus: undefined } : {}) },
  }).resources;
  const facet = executorOf(core, record.spec).bind;
  if (!facet) throw missing(record.spec, 'bind');
  const cpus = resources.cpus === 0 ? 0 : (checked.cpus ?? record.spec.resources.cpus);
  await facet.bind(uid, { ...record.spec.resources, ...checked, ...(cpus === undefined ? {} : { cpus }) });
  const event = cpus === 0 ? 'pause' : 'unpause';
  const { boundCpus: _, ...kept } = record;
  const state = advance(containerTransitions, `container ${record.spec.name}`, record.state, event);
  const type = state === record.state ? 'bound' : state;
  core.ledger.write({
    container: { ...kept, state, ...(cpus === undefined ? {} : { boundCpus: cpus }) },
    type,
  });
  return recordOf(core, uid);
}

async function update(
  core: Core,
  uid: string,
  generation: number,
  change: Parameters<Dispatch['updateContainer']>[3],
): Promise<ContainerRecord> {
  const record = recordOf(core, uid);
  if (record.generation !== generation) {
    throw new PortLayerError(
      'STALE_GENERATION',
      `Container ${record.spec.name} has changed since it was read.`,
      {
        required: `generation ${record.generation}`,
        found: `generation ${generation}`,
        remedy:
          'Read it again, see whether the change still makes sense, and repeat the call with its generation.',
        facts: { generation: String(record.generation) },
      },
    );
  }
  const spec = compileContainerSpec({
    ...record.spec,
    ...(change.labels ? { labels: change.labels } : {}),
    ...(change.resources ? { resources: change.resources } : {}),
    ...(change.trigger ? { trigger: { ...record.spec.trigger, ...change.trigger } } : {}),
    ...(change.memo === undefined ? {} : { memo: { ...record.spec.memo, enabled: change.memo } }),
  });
  const executor = executorOf(core, spec);
  if (change.resources) {
    await executor.check(spec);
    if (record.state === 'running') {
      if (!executor.bind) throw missing(spec, 'bind');
      await executor.bind.bind(uid, spec.resources);
    }
  }
  await core.specs.put(uid, spec);
  core.ledger.write({ container: { ...record, spec }, type: 'updated' });
  return recordOf(core, uid);
}

function requireRunning(record: ContainerRecord, states: readonly ContainerRecord['state'][]): void {
  if (states.includes(record.state)) return;
  throw new PortLayerError('WRONG_STATE', `Container ${record.spec.name} is ${record.state}.`, {
    required: states.join(' or '),
    found: record.state,
    remedy:
      record.state === 'paused'
        ? 'Let it run again: portlayer unpause NAME'
        : 'Start it: portlayer start NAME',
    facts: { state: record.state, container: record.spec.name },
  });
}

function missing(spec: ContainerSpec, tag: string): PortLayerError {
  return new PortLayerError('CAPABILITY_MISSING', `Executor ${spec.executor} has no ${tag}.`, {
    required: tag,
    found: `executor ${spec.executor} without it`,
    remedy: 'See what each executor can do with: portlayer doctor',
    facts: { capability: tag, executor: spec.executor },
  });
}
