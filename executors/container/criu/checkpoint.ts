import type { DiskLayers } from '../../../portlayer/plugin/executor.js';
import type { Finished } from '../../../portlayer/plugin/host.js';
import type { CheckpointWriter, DumpFacts, PhaseGate, Running } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { killContainer } from '../ending.js';
import { optionsOf } from '../options.js';
import type { Place } from '../place.js';
import { readBase } from '../writable-layer.js';
import { criuConfig } from './criu-config.js';
import { dumpFailure, dumpTooLong } from './dump-failure.js';
import { usable } from './find-criu.js';
import { freezeEnvironment, type Pause, pauseOf, untilFrozen } from './freeze.js';
import { imageOf, workOf, writeImageFacts } from './image.js';
import { neededFiles } from './needed-files.js';
import { refuseStopped } from './preflight.js';
import { runStaged } from './run-staged.js';
import { strangers, type Task, tasksOf } from './tasks.js';
import { unlockNetwork } from './unlock-network.js';

const defaultDumpMs = 300_000;

/** What a checkpoint works with. */
export interface CheckpointParts {
  readonly place: Place;
  readonly containers: Containers;
  readonly disk: DiskLayers;
  readonly log: (message: string) => void;
}

/**
 * Freezes, dumps, copies the writable layer, thaws. The layer is copied while the dump goes on: nothing of the
 * container executes from the freeze on. On failure the container is as it was, frozen or not.
 */
export async function takeDump(
  parts: CheckpointParts,
  container: Running,
  into: CheckpointWriter,
  gate: PhaseGate,
  options: { readonly stopAfter: boolean },
  signal: AbortSignal,
): Promise<DumpFacts> {
  const { place, containers } = parts;
  const { uid } = container;
  const paths = containers.paths(uid);
  const client = await containers.known(uid);
  const [init, incarnation] = [await client.init(signal), await client.incarnation(signal)];
  usable(await place.criu());
  await gate('quiescing');
  refuseStopped(await tasksOf(place, uid));
  const pause = await pauseOf(place, containers, uid, into);
  const helpers = new AbortController();
  const dumping = beginDump(parts, container, into, AbortSignal.any([signal, helpers.signal]));
  dumping.catch(() => {});
  try {
    const frozen = await untilFrozen(place, uid, into, dumping, signal);
    await gate('dumping');
    const tasks = await tasksOf(place, uid);
    refuseStopped(tasks.filter(task => task.state === 'T'));
    const notKept = strangers(tasks, init).map(task => `${task.pid} ${task.name}`);
    if (notKept.length > 0)
      parts.log(`checkpoint ${into.crid} does not keep, begun by exec: ${notKept.join(', ')}`);
    const needed = frozen ? neededFiles(place, paths, container.spec, container.layers, tasks) : undefined;
    const copied = frozen && !options.stopAfter ? parts.disk.freeze(uid, into.layer) : undefined;
    await Promise.allSettled([copied, needed]); // They must not go on when all else is undone.
    await requireDumped(parts, container, into, await dumping, tasks);
    await copied;
    if (options.stopAfter) {
      await killContainer(place, containers, uid);
      await parts.disk.freeze(uid, into.layer);
    } else {
      await pause.end();
    }
    await gate('thawed');
    const base = (await readBase(place, paths)) ?? container.layers;
    const bin = place.bin.slice(place.bin.lastIndexOf('/') + 1);
    const address = await place.host.files.read(paths.address).then(String, () => '');
    const facts = {
      incarnation,
      bin,
      notKept,
      needed: (await needed) ?? [],
      ...(address === '' ? {} : { address }),
    };
    await writeImageFacts(place.host, into.directory, facts);
    return { layers: [...base, into.layer], running: !options.stopAfter };
  } catch (caught) {
    helpers.abort();
    await dumping.catch(() => {});
    if (optionsOf(container.spec).tcpEstablished) await unlockNetwork(place, paths);
    await undo(parts, pause, into);
    throw caught;
  }
}

async function undo(parts: CheckpointParts, pause: Pause, into: CheckpointWriter): Promise<void> {
  // First of all: on a disk that the dump has filled nothing else could be written, not even that it failed.
  await parts.place.host.files
    .remove(imageOf(into.directory))
    .catch(caught => parts.log(`image of ${into.crid}: ${String(caught)}`));
  await pause.end().catch(caught => parts.log(`thaw after checkpoint ${into.crid}: ${String(caught)}`));
  await parts.disk.remove(into.layer).catch(caught => parts.log(`layer ${into.layer}: ${String(caught)}`));
}

/** Starts runc, which starts CRIU, which freezes the container when it is ready to dump it. Resolves with how it ended; rejects for the abort and the time limit. */
async function beginDump(
  parts: CheckpointParts,
  container: Running,
  into: CheckpointWriter,
  signal: AbortSignal,
): Promise<Finished> {
  const { place, containers } = parts;
  const { files } = place.host;
  const { uid, spec } = container;
  const paths = containers.paths(uid);
  const options = optionsOf(spec);
  const work = workOf(into.directory);
  const criu = usable(await place.criu());
  await Promise.all([
    files.makeDirectory(imageOf(into.directory), 0o700),
    files.makeDirectory(work, 0o700),
    files.writeAtomic(paths.criuConfig, criuConfig(options, place.layout.criuStep), 0o600, {
      durable: false,
    }),
  ]);
  const flags = ['--leave-running', '--file-locks', ...(options.tcpEstablished ? ['--tcp-established'] : [])];
  const verb = ['checkpoint', '--image-path', imageOf(into.directory), '--work-path', work, ...flags, uid];
  const ms = place.config.dumpMs ?? defaultDumpMs;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  const done = await runStaged(place, criu, paths, verb, work, freezeEnvironment(place, uid, into), limit);
  signal.throwIfAborted();
  if (limit.aborted) throw dumpTooLong(ms);
  return done;
}

/** Throws what kept CRIU from it, in words. */
async function requireDumped(
  parts: CheckpointParts,
  container: Running,
  into: CheckpointWriter,
  done: Finished,
  tasks: readonly Task[],
): Promise<void> {
  if (done.code === 0 && (await parts.containers.group(container.uid).frozen())) return;
  throw await dumpFailure(
    parts.place,
    workOf(into.directory),
    done,
    tasks.map(task => task.pid),
  );
}
