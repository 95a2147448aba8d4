import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Inside } from '../../portlayer/plugin/executor.js';
import type { CheckpointWriter, DumpFacts, PhaseGate, Running } from '../../portlayer/plugin/mechanism.js';
import type { DmtcpConfig } from './config.js';
import { type Coordinator, coordinatorGone, coordinatorOf, type KnownPorts } from './coordinator.js';
import { type Drain, type ImageFile, startDrain } from './drain-images.js';
import type { UsableDmtcp } from './find-dmtcp.js';
import { imagesOf, writeImageFacts } from './image.js';
import { type CommandAnswer, imageName, type Peer } from './parse-command.js';
import { askersFile, inside } from './paths-inside.js';
import { noPeers, notSuspended, silent, tooLong } from './refusals.js';
import type { UnchangedImages } from './unchanged-images.js';

const defaultQuiesceMs = 10_000;
const defaultDumpMs = 300_000;
const lookMs = 250;
const beginMs = 20;

/** What a checkpoint works with. */
export interface CheckpointParts {
  readonly config: DmtcpConfig;
  readonly found: UsableDmtcp;
  readonly access: Inside;
  readonly ports: KnownPorts;
  readonly unchanged: UnchangedImages;
}

/**
 * Suspends every process, freezes the writable layer, lets the images flow, resumes. The processes write into pipes, so
 * they stay suspended for as long as nobody reads: the layer is of the same moment, with no freezer. On failure they run on.
 */
export async function takeImages(
  parts: CheckpointParts,
  container: Running,
  into: CheckpointWriter,
  gate: PhaseGate,
  options: { readonly stopAfter: boolean },
  signal: AbortSignal,
): Promise<DumpFacts> {
  const { config, found, access } = parts;
  const { uid, executor, spec } = container;
  const { disk } = executor;
  await gate('quiescing');
  const quiesceMs = config.quiesceMs ?? defaultQuiesceMs;
  const images = imagesOf(into.directory);
  await access.host.files.makeDirectory(images, 0o700);
  const owner = spec.task.user;
  if (owner) await access.host.run(['chown', `${owner.uid}:${owner.gid}`, images]);
  // It begins while the coordinator is asked who is there.
  const drain = startDrain(access.host, {
    init: await access.init(uid),
    room: inside.room,
    askers: askersFile,
    into: images,
    ...(owner ? { owner } : {}),
  });
  const ended = new AbortController();
  try {
    const { coordinator, peers } = await underDmtcp(parts, uid, quiesceMs, signal);
    await drain.arm(peers.map(peer => ({ name: imageName(peer), pid: peer.pid })));
    signal.throwIfAborted();
    const answer = coordinator.checkpoint(ended.signal);
    answer.catch(() => {});
    const askers = await suspended(drain, answer, quiesceMs);
    await gate('dumping');
    await disk.freeze(uid, into.layer);
    drain.go();
    const written = await allWritten(parts, coordinator, drain, answer, peers);
    if (options.stopAfter) await executor.stop(uid, 0);
    await gate('thawed');
    const waiting = peers.filter(peer => askers.includes(peer.pid)).map(peer => peer.virtualPid);
    await writeImageFacts(access.host, into.directory, {
      build: found.build,
      files: written.map(({ name, sum, bytes }) => ({ name, sum, bytes })),
      askers: waiting,
    });
    parts.unchanged.remember(written);
    return { layers: [...(await access.layersBelow(uid)), into.layer], running: !options.stopAfter };
  } catch (caught) {
    drain.abandon();
    ended.abort();
    await disk.remove(into.layer);
    throw caught;
  }
}

/** The coordinator with its processes. A task that was only just started is waited for; a paused one cannot answer: QUIESCE_TIMEOUT. */
async function underDmtcp(
  parts: CheckpointParts,
  uid: string,
  ms: number,
  signal: AbortSignal,
): Promise<{ coordinator: Coordinator; peers: readonly Peer[] }> {
  const limit = AbortSignal.timeout(ms);
  let refusal = noPeers();
  while (!limit.aborted) {
    signal.throwIfAborted();
    await parts.access.init(uid); // Throws WRONG_STATE if it has ended.
    try {
      const coordinator = await coordinatorOf(parts.found, parts.access, uid, parts.ports);
      const peers = await coordinator.list(AbortSignal.any([signal, limit]));
      // One that is just being made, or executes another program, is listed twice for a moment.
      const settled = new Set(peers.map(imageName)).size === peers.length;
      if (peers.length > 0 && settled && peers.every(peer => peer.state === 'RUNNING'))
        return { coordinator, peers };
      refusal = noPeers();
    } catch (caught) {
      signal.throwIfAborted();
      if (limit.aborted) throw silent(ms);
      if (!(caught instanceof PortLayerError)) throw caught;
      refusal = caught;
    }
    await sleep(beginMs);
  }
  throw refusal;
}

/** Resolves when all are suspended, with the pids of who waits for an answer; also where all of them wrote where no pipe was. */
async function suspended(
  drain: Drain,
  answer: Promise<CommandAnswer>,
  ms: number,
): Promise<readonly number[]> {
  const done = answer.then(said => {
    requireSuccess(said);
    return [] as readonly number[];
  });
  done.catch(() => {});
  const timer = new AbortController();
  try {
    const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
      throw notSuspended(ms);
    });
    late.catch(() => {});
    return await Promise.race([drain.frozen, done, late]);
  } finally {
    timer.abort();
  }
}

/** Waits for the coordinator's word and for the last byte of every image, each of which a process has ended itself. */
async function allWritten(
  parts: CheckpointParts,
  coordinator: Coordinator,
  drain: Drain,
  answer: Promise<CommandAnswer>,
  peers: readonly Peer[],
): Promise<readonly ImageFile[]> {
  const ms = parts.config.dumpMs ?? defaultDumpMs;
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
    throw tooLong(ms);
  });
  late.catch(() => {});
  try {
    // A disk that fails is known before the task is done with writing.
    const said = await Promise.race([answer, late, drain.finished.then(() => answer)]);
    requireSuccess(said);
    if (parts.found.forked)
      await Promise.race([othersWritten(coordinator, drain, peers, timer.signal), late]);
    drain.end();
    const files = await Promise.race([drain.finished, late]);
    if (files.length > 0 && files.length >= said.count) return files;
    throw new PortLayerError('INTERNAL', 'Not every process has written its image.', {
      required: `${said.count} images`,
      found: `${files.length}`,
      remedy: 'Ask again. The container runs on.',
    });
  } finally {
    timer.abort();
  }
}

/**
 * With forked checkpointing the tasks run on while processes of their own write: the coordinator is done before they are.
 * What is not written by a process that has ended since will not come.
 */
async function othersWritten(
  coordinator: Coordinator,
  drain: Drain,
  peers: readonly Peer[],
  signal: AbortSignal,
): Promise<void> {
  for (let rounds = 0; !signal.aborted; rounds++) {
    const names = new Set(drain.written().map(file => file.name));
    const open = peers.filter(peer => !names.has(imageName(peer)));
    if (open.length === 0) return;
    const there = rounds % 4 === 3 ? await coordinator.list().catch(() => peers) : peers;
    if (!open.some(peer => there.some(other => other.id === peer.id))) return;
    await Promise.race([sleep(rounds === 0 ? 10 : lookMs / 10), drain.finished]);
  }
}

function requireSuccess(said: CommandAnswer): void {
  if (said.status === 'DMT_COORD_SUCCESS') return;
  if (said.status === 'DMT_COORD_NOT_RUNNING') throw noPeers();
  throw coordinatorGone(said.status || 'it ended in the middle of the checkpoint');
}
