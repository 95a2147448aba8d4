import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ExitResult, Handle } from '../../portlayer/model/container-record.js';
import type { Executor, Inside, StartRequest } from '../../portlayer/plugin/executor.js';
import type { CheckpointReader } from '../../portlayer/plugin/mechanism.js';
import { coordinatorOf, type KnownPorts } from './coordinator.js';
import { checkImages, type ImageFacts, imagesOf, readImageFacts } from './image.js';
import type { Peer } from './parse-command.js';
import { type PlanParts, planRestart } from './plan.js';
import type { UnchangedImages } from './unchanged-images.js';

const defaultRestartMs = 60_000;
/** Each look is a process of its own, which takes from the restart what it needs: some 20 ms of a core. */
const lookMs = 25;
const firstLookMs = 50;
/** What DMTCP's programs end with when something is not as it must be. */
const DMTCP_FAILED = 99;

/** What a restart works with beside its plan. */
export interface RestartParts {
  readonly access: Inside;
  readonly ports: KnownPorts;
  readonly unchanged: UnchangedImages;
}

/**
 * Starts one container whose task comes from images: all is checked before anything is started, and it is there when every
 * process runs and those who waited for an answer at the dump have theirs. On failure nothing of it runs.
 */
export async function restartCopy(
  parts: PlanParts,
  known: RestartParts,
  from: CheckpointReader,
  request: StartRequest,
  executor: Executor,
  signal: AbortSignal,
): Promise<Handle> {
  const { access, ports, unchanged } = known;
  const { uid, spec } = request;
  const facts = await readImageFacts(access.host, from.directory);
  requireBuild(parts, facts);
  await Promise.all([
    executor.check(spec),
    checkImages(access.host, from.directory, facts, unchanged, signal),
  ]);
  // A store may have put the files back together as its own.
  const owner = spec.task.user;
  if (owner) await access.host.run(['chown', '-R', `${owner.uid}:${owner.gid}`, imagesOf(from.directory)]);
  const names = facts.files.map(file => file.name);
  const launch = planRestart(parts, spec, from.record.crid, imagesOf(from.directory), names);
  await executor.disk.discard(uid);
  const ms = parts.config.restartMs ?? defaultRestartMs;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  try {
    const handle = await executor.start({ ...request, launch }, limit);
    const watching = new AbortController();
    const exit = executor.wait(uid, AbortSignal.any([limit, watching.signal]));
    exit.catch(() => {});
    try {
      const peers = await running(parts, access, ports, uid, exit, limit);
      if (peers) await answerAskers(access, uid, facts, peers, limit);
      else requireOrderly(await exit, await lastWords(executor, uid));
    } finally {
      watching.abort();
    }
    return handle;
  } catch (caught) {
    await executor.stop(uid, 0);
    throw caught instanceof PortLayerError || signal.aborted ? caught : tooLong(ms, caught);
  }
}

/** Resolves with the processes when all run; with nothing where the task has ended by then. */
async function running(
  parts: PlanParts,
  access: Inside,
  ports: KnownPorts,
  uid: string,
  exit: Promise<ExitResult>,
  limit: AbortSignal,
): Promise<readonly Peer[] | undefined> {
  let over = false;
  const end = () => {
    over = true;
  };
  exit.then(end, end);
  await Promise.race([sleep(firstLookMs), exit]);
  while (!over) {
    limit.throwIfAborted();
    try {
      const coordinator = await coordinatorOf(parts.found, access, uid, ports);
      const peers = await coordinator.list(limit);
      // None runs before all have come. Some may have gone on to their end since.
      if (peers.length > 0 && peers.every(peer => peer.state === 'RUNNING')) return peers;
    } catch (caught) {
      limit.throwIfAborted();
      if (!(caught instanceof PortLayerError)) throw caught;
      // No port yet, or no container any more: the exit tells.
    }
    await Promise.race([sleep(lookMs), exit]);
  }
  return undefined;
}

/** Those who asked by signal are in the image; the init that they asked is not. The pids are the new ones. */
async function answerAskers(
  access: Inside,
  uid: string,
  facts: ImageFacts,
  peers: readonly Peer[],
  signal: AbortSignal,
): Promise<void> {
  const pids = peers.filter(peer => facts.askers.includes(peer.virtualPid)).map(peer => String(peer.pid));
  if (pids.length > 0)
    await access.run(uid, [access.host.initBinary, 'answer', '0', ...pids], { pids: true, signal });
}

/** A task that was near its end may end before it was seen to run; one that did not come up ends as DMTCP's programs do. */
function requireOrderly(exit: ExitResult, said: string): void {
  const broken = exit.code === DMTCP_FAILED || exit.failure !== undefined || /\bASSERT at \S+:\d+/.test(said);
  if (!broken) return;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The checkpoint could not be restarted by DMTCP.', {
    required: 'a restart of every process',
    found: exit.failure ?? (said.slice(0, 500) || `exit code ${exit.code}`),
    remedy:
      'See the reason above: what DMTCP cannot bring back is in design/mechanisms/dmtcp.md. Nothing is left of the copy.',
  });
}

async function lastWords(executor: Executor, uid: string): Promise<string> {
  const lines: string[] = [];
  const options = { follow: false, tail: 20 };
  for await (const entry of executor.logs(uid, options, AbortSignal.timeout(5_000)))
    if (entry.stream === 'stderr') lines.push(entry.text);
  const asserted = lines.findIndex(line => /\bASSERT at /.test(line));
  return lines.slice(Math.max(asserted, 0)).join('; ');
}

function requireBuild(parts: PlanParts, facts: ImageFacts): void {
  if (facts.build === parts.found.build) return;
  throw new PortLayerError('CONSTRAINT_UNMET', 'Another build of DMTCP made this checkpoint.', {
    required: `build ${facts.build}`,
    found: `build ${parts.found.build}, of DMTCP ${parts.found.version} in ${parts.found.prefix}`,
    remedy:
      'Set prefix in the configuration of the loader dmtcp to the build that made it. Nothing was started.',
    facts: { level: 'loader', name: 'dmtcp' },
  });
}

function tooLong(ms: number, cause: unknown): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The restart took longer than ${ms} ms and was ended.`, {
    required: `a restart within ${ms} ms`,
    found: 'not every process ran',
    remedy: 'Restore it again, or allow more with restartMs in the configuration of the loader dmtcp.',
    cause,
  });
}
