import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { CheckpointWriter, DumpFacts, PhaseGate, Running } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { type MachineDisk, readDisk } from '../disk/machine-disk.js';
import { type DiskSplit, prepareSplit } from '../disk/split-disk.js';
import { killContainer } from '../ending.js';
import { giveOrder } from '../guest/order.js';
import type { MachinePaths } from '../layout.js';
import { memoryMiB, optionsOf } from '../options.js';
import type { Place } from '../place.js';
import { goOn } from '../qmp/go-on.js';
import type { Qmp } from '../qmp/qmp-client.js';
import { askMachine } from '../silence.js';
import type { StandbyPool } from '../standby/pool.js';
import { featureConstraint } from './constraints.js';
import {
  beginDump,
  dumped,
  endPasses,
  lastPass,
  pauseOf,
  readyForPasses,
  readyRunning,
  readyStopped,
  resumedOfLive,
  type Way,
} from './dump.js';
import { shapeOf, writeImageFacts } from './image.js';
import { type Splitter, startSplitter } from './splitter.js';
import { forgetDump, noteDump, undoDump } from './undo-dump.js';

/** What checkpoints and restores work with. */
export interface VmforkParts {
  readonly place: Place;
  readonly containers: Containers;
  readonly standbys: StandbyPool;
  readonly log: (message: string) => void;
}

/** One checkpoint under way. */
interface Attempt {
  readonly parts: VmforkParts;
  readonly paths: MachinePaths;
  readonly gate: PhaseGate;
  readonly qmp: Qmp;
  /** Whether the machine is to run when it is over. */
  readonly resume: boolean;
  readonly splitter: Splitter;
  readonly split: DiskSplit;
}

/**
 * Dumps a machine while it runs on; see {@link Way}. Its disk is split at the same instant: no write is under way
 * between the freezing of the guest's file system and its thawing, or while the machine stands still. All that takes
 * time is done beside the one or the other: the guest's freezing, the new overlay, the splitter.
 */
export async function takeDump(
  parts: VmforkParts,
  container: Running,
  into: CheckpointWriter,
  gate: PhaseGate,
  options: { readonly stopAfter: boolean },
  signal: AbortSignal,
): Promise<DumpFacts> {
  const { place, containers } = parts;
  const { uid, spec } = container;
  const paths = containers.paths(uid);
  const client = await containers.known(uid);
  const [incarnation, disk] = await Promise.all([
    client.incarnation(signal),
    needDisk(place, uid, paths),
    requireRoom(place, into.directory, memoryMiB(spec) * 2 ** 20),
  ]);
  await gate('quiescing');
  const starting = startSplitter(place.host, paths, into.directory, signal);
  starting.catch(() => {});
  const work = async (qmp: Qmp): Promise<DumpFacts> => {
    const { running } = await qmp.execute('query-status');
    const resume = running && !options.stopAfter;
    await noteDump(place, paths, { number: disk.number, running });
    const possible = resume ? await readyRunning(qmp) : await readyStopped(qmp);
    const { cpu, diskBytes } = optionsOf(spec);
    const preparing = Promise.all([
      prepareSplit(place, paths, disk, into.layer, diskBytes, qmp),
      featureConstraint(qmp, cpu),
    ]);
    preparing.catch(() => {});
    const frozen =
      possible === 'live' ? await giveOrder(place.host, paths.orders, 'FREEZE', place.config.quiesceMs) : '';
    const [split, features] = await preparing;
    const attempt: Attempt = { parts, paths, gate, qmp, resume, splitter: await starting, split };
    // Where the guest cannot freeze its file system, the disk can only be split while the machine stands still.
    const how = possible === 'live' && frozen !== 'frozen' ? await readyForPasses(qmp) : possible;
    const pauseMs = await dumpBy(how, attempt);
    await attempt.splitter.done;
    const facts = { incarnation, shape: shapeOf(spec), pauseMs, how } as const;
    const [layers] = await Promise.all([split.finish(), writeImageFacts(place.host, into.directory, facts)]);
    await forgetDump(place, paths);
    return { layers, running: !options.stopAfter, constraints: [features] };
  };
  try {
    const facts = await askMachine(place, containers, uid, work, { signal, ms: place.config.dumpMs });
    if (options.stopAfter) await killContainer(place, containers, uid);
    return facts;
  } catch (caught) {
    (await starting.catch(() => undefined))?.end();
    await undoDump(place, paths, parts.log);
    throw caught;
  } finally {
    (await starting.catch(() => undefined))?.end();
  }
}

/** How long the machine stood still, in milliseconds. */
function dumpBy(way: Way, attempt: Attempt): Promise<number> {
  if (way === 'live') return dumpLive(attempt);
  return way === 'passes' ? dumpByPasses(attempt) : dumpStopped(attempt);
}

async function dumpLive({ parts, paths, gate, qmp, splitter, split }: Attempt): Promise<number> {
  await split.now();
  await gate('dumping');
  await beginDump(qmp, splitter.socket);
  await resumedOfLive(qmp);
  await gate('thawed');
  await thaw(parts, paths);
  await dumped(qmp);
  return pauseOf(qmp);
}

async function dumpByPasses({ gate, qmp, splitter, split }: Attempt): Promise<number> {
  await beginDump(qmp, splitter.socket);
  await lastPass(qmp);
  await gate('dumping');
  await split.now();
  await endPasses(qmp);
  await dumped(qmp);
  await goOn(qmp);
  await gate('thawed');
  return pauseOf(qmp);
}

async function dumpStopped({ gate, qmp, resume, splitter, split }: Attempt): Promise<number> {
  await gate('dumping');
  const began = performance.now();
  await qmp.execute('stop');
  await split.now();
  await beginDump(qmp, splitter.socket);
  await dumped(qmp);
  if (resume) await goOn(qmp);
  await gate('thawed');
  return performance.now() - began;
}

/** Throws QUIESCE_TIMEOUT where the guest had let its writers go before the instant of the dump. */
async function thaw({ place, log }: VmforkParts, paths: MachinePaths): Promise<void> {
  const answer = await giveOrder(place.host, paths.orders, 'THAW', place.config.quiesceMs).catch(caught =>
    log(`thaw of ${paths.directory}: ${String(caught)}`),
  );
  if (answer !== 'late') return;
  throw new PortLayerError(
    'QUIESCE_TIMEOUT',
    'The disk was not at rest any more when the memory was dumped.',
    {
      required: 'a dump that begins within 10 s of the freezing of the file system',
      found: 'a guest that had thawed it',
      remedy: 'Repeat the call when the host has less to do. The machine runs on.',
    },
  );
}

async function needDisk(place: Place, uid: string, paths: MachinePaths): Promise<MachineDisk> {
  const disk = await readDisk(place, paths);
  if (disk) return disk;
  throw new PortLayerError('WRONG_STATE', `The machine ${uid} has no disk of its own.`, {
    remedy: 'Start it again, then ask again.',
    facts: { uid },
  });
}

/** In the worst case the image is as large as the memory, and the file system must not be full after it. */
async function requireRoom(place: Place, directory: string, bytes: number): Promise<void> {
  const free = await place.host.files.freeBytes(directory);
  const wanted = bytes + 64 * 2 ** 20;
  if (free >= wanted) return;
  throw new PortLayerError('STORE_FULL', 'The store has no room for this image.', {
    required: `${wanted} bytes free, for the whole memory of the machine`,
    found: `${free} bytes free at ${directory}`,
    remedy:
      'Remove checkpoints you do not need (portlayer checkpoint rm), or free space otherwise. The machine runs on.',
  });
}
