import { findMonitor } from '../../../portlayer/environments/monitor/monitor-process.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../../portlayer/model/container-record.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { CheckpointReader } from '../../../portlayer/plugin/mechanism.js';
import { lastWords } from '../boot.js';
import { createDiskLayers } from '../disk/disk-layers.js';
import { prepareDisk } from '../disk/machine-disk.js';
import { writeUnsynced } from '../disk/unsynced.js';
import { killContainer } from '../ending.js';
import { makeHandle } from '../handle.js';
import { identityOf } from '../identity.js';
import { clearRun, launch } from '../start.js';
import type { VmforkParts } from './checkpoint.js';
import { checkImage, ramOf, requireSameShape, stateOf } from './image.js';
import { type Introduction, introduce, newIntroduction } from './introduce.js';

/**
 * Starts one copy of an image: everything is checked before anything is started, and ready means that it has confirmed
 * its identity. On failure, or beyond the time limit, nothing of it is left.
 */
export async function restoreCopy(
  parts: VmforkParts,
  from: CheckpointReader,
  request: StartRequest,
  signal: AbortSignal,
): Promise<Handle> {
  const { place, containers } = parts;
  const { uid, spec } = request;
  const paths = containers.paths(uid);
  const facts = await checkImage(place.host, from.directory);
  requireSameShape(facts, spec);
  await clearRun(place, containers, uid);
  await createDiskLayers(place, containers).discard(uid);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs)]);
  const identity = identityOf(uid, spec);
  const introduction = newIntroduction(facts.incarnation, from.record.crid, identity);
  try {
    const [disk, accelerator] = await Promise.all([
      prepareDisk(place, paths, request, limit),
      place.accelerator(),
      writeUnsynced(place.host, { [paths.restoring]: JSON.stringify(introduction) }),
    ]);
    const begin = {
      kind: 'copy',
      ram: ramOf(from.directory),
      state: stateOf(from.directory),
      incarnation: facts.incarnation,
    } as const;
    await launch(
      place,
      containers,
      request,
      { spec, paths, disk, identity, accelerator: accelerator.name, begin },
      limit,
    );
    await introduce(place, containers, uid, introduction, limit);
    await place.host.files.remove(paths.restoring);
    return makeHandle(paths.directory);
  } catch (caught) {
    const heard = await lastWords(place, paths);
    await killContainer(place, containers, uid);
    await place.host.files.remove(paths.restoring);
    if (signal.aborted || (caught instanceof PortLayerError && caught.code !== 'WRONG_STATE')) throw caught;
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The copy could not be started.', {
      required: `a machine that runs on from the image within ${place.config.restoreMs} ms`,
      found: heard.slice(-400),
      remedy: 'See the reason above, and restore it again. The image is intact.',
      cause: caught,
    });
  }
}

/** A copy whose service was killed before it had its identity gets it now. No effect on any other machine. */
export async function recoverCopy(parts: VmforkParts, uid: string, signal: AbortSignal): Promise<void> {
  const { place, containers } = parts;
  const paths = containers.paths(uid);
  const text = await place.host.files.read(paths.restoring).then(String, () => '');
  if (text === '') return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs)]);
  try {
    await introduce(place, containers, uid, JSON.parse(text) as Introduction, limit);
  } catch (caught) {
    parts.log(`copy ${uid} could not be finished: ${String(caught)}`);
    if ((await findMonitor(place.host, paths.directory)) !== undefined)
      await killContainer(place, containers, uid);
  }
  await place.host.files.remove(paths.restoring);
}
