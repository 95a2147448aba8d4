import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { CheckpointWriter, DumpFacts, PhaseGate, Running } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { giveToQemu } from '../disk/give-to-qemu.js';
import { type MachineDisk, readDisk } from '../disk/machine-disk.js';
import { type DiskSplit, prepareSplit } from '../disk/split-disk.js';
import { killContainer } from '../ending.js';
import { giveOrder } from '../guest/order.js';
import { memoryMiB, optionsOf } from '../options.js';
import type { Place } from '../place.js';
import { type Qmp, withQmp } from '../qmp/qmp-client.js';
import { beginDump, canDumpLive, dumped, pauseOfLive } from './dump.js';
import { shapeOf, writeImageFacts } from './image.js';
import { type Splitter, startSplitter } from './splitter.js';

/** What checkpoints and restores work with. */
export interface VmforkParts {
  readonly place: Place;
  readonly containers: Containers;
  readonly log: (message: string) => void;
}

/** One checkpoint under way. */
interface Attempt {
  readonly parts: VmforkParts;
  readonly container: Running;
  readonly gate: PhaseGate;
  readonly qmp: Qmp;
  readonly splitter: Splitter;
  readonly split: DiskSplit;
}

/** What has to be undone where a dump fails. */
interface Begun {
  readonly split: DiskSplit;
  /** Whether the machine ran when it began. */
  readonly running: boolean;
}

/**
 * Dumps a machine while it runs on: its memory is write-protected at one instant and written in the background, its
 * disk is split at the same instant, since no write is under way between the freezing of the guest's file system and
 * its thawing. A machine that is paused, is to end with the checkpoint, or cannot be dumped so, is stopped for the dump.
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
  const incarnation = await client.incarnation(signal);
  const disk = await needDisk(place, uid, paths);
  await requireRoom(place, into.directory, memoryMiB(spec) * 2 ** 20);
  await gate('quiescing');
  const socket = `${paths.vm}/split`;
  const splitter = await startSplitter(place.host, into.directory, socket, signal);
  let begun: Begun | undefined;
  const work = async (qmp: Qmp): Promise<DumpFacts> => {
    const { running } = await qmp.execute('query-status');
    const split = await prepareSplit(place, paths, disk, into.layer, optionsOf(spec).diskBytes, qmp);
    begun = { split, running };
    const attempt: Attempt = { parts, container, gate, qmp, splitter, split };
    const live = running && !options.stopAfter && (await canDumpLive(qmp));
    const pauseMs = live
      ? await dumpLive(attempt)
      : await dumpStopped(attempt, running && !options.stopAfter);
    await splitter.done;
    const facts = { incarnation, shape: shapeOf(spec), pauseMs, how: live ? 'live' : 'stopped' } as const;
    await writeImageFacts(place.host, into.directory, facts);
    await giveToQemu(place, into.directory);
    return { layers: await split.finish(), running: !options.stopAfter };
  };
  try {
    const facts = await withQmp(place.host, paths.qmp, work, { signal, ms: place.config.dumpMs });
    if (options.stopAfter) await killContainer(place, containers, uid);
    return facts;
  } catch (caught) {
    splitter.end();
    if (begun) await undo(parts, uid, begun);
    throw caught;
  } finally {
    splitter.end();
    await place.host.files.remove(socket);
  }
}

/** The guest stands still for milliseconds only. How long, in milliseconds. */
async function dumpLive(attempt: Attempt): Promise<number> {
  const { parts, container, gate, qmp, splitter, split } = attempt;
  const { orders } = parts.containers.paths(container.uid);
  const { host, config } = parts.place;
  const answer = await giveOrder(host, orders, 'FREEZE', config.quiesceMs);
  let pauseMs: number;
  try {
    // A guest that cannot freeze its file system is stopped for the disk's moment, and so for the dump's beginning.
    if (answer !== 'frozen') await qmp.execute('stop');
    await split.now();
    await gate('dumping');
    await beginDump(qmp, splitter.socket, true);
    pauseMs = await pauseOfLive(qmp);
    await gate('thawed');
  } finally {
    await giveOrder(host, orders, 'THAW', config.quiesceMs).catch(caught =>
      parts.log(`thaw of ${container.uid}: ${String(caught)}`),
    );
  }
  await dumped(qmp);
  return pauseMs;
}

/** The machine stands still for the whole dump. `resume`: it ran before. */
async function dumpStopped(attempt: Attempt, resume: boolean): Promise<number> {
  const { gate, qmp, splitter, split } = attempt;
  await gate('dumping');
  const began = performance.now();
  await qmp.execute('stop');
  await split.now();
  await beginDump(qmp, splitter.socket, false);
  await dumped(qmp);
  if (resume) await qmp.execute('cont');
  await gate('thawed');
  return performance.now() - began;
}

/**
 * As it was before: running, with the disk it had. A conversation of its own, since the one that failed may have ended by
 * its time limit; QEMU may have ended as well, and then the disk is put together at the next start.
 */
async function undo(parts: VmforkParts, uid: string, begun: Begun): Promise<void> {
  const paths = parts.containers.paths(uid);
  try {
    await withQmp(parts.place.host, paths.qmp, async qmp => {
      await qmp.execute('migrate_cancel');
      await begun.split.undo(qmp);
      const { running } = await qmp.execute('query-status');
      if (begun.running && !running) await qmp.execute('cont');
    });
  } catch (caught) {
    parts.log(`undoing a failed checkpoint of ${uid}: ${PortLayerError.from(caught).describe()}`);
  }
}

async function needDisk(
  place: Place,
  uid: string,
  paths: ReturnType<Containers['paths']>,
): Promise<MachineDisk> {
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
