import { findMonitor } from '../../../portlayer/environments/monitor/monitor-process.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../../portlayer/model/container-record.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { CheckpointReader } from '../../../portlayer/plugin/mechanism.js';
import { lastWords } from '../boot.js';
import { createDiskLayers } from '../disk/disk-layers.js';
import { prepareDisk } from '../disk/machine-disk.js';
import { killContainer } from '../ending.js';
import { limitAsAsked } from '../first-limit.js';
import { makeHandle } from '../handle.js';
import { identityOf } from '../identity.js';
import type { MachinePaths } from '../layout.js';
import type { Place } from '../place.js';
import { clearRun, launch } from '../start.js';
import type { VmforkParts } from './checkpoint.js';
import { checkImage, ramOf, requireSameShape, stateOf } from './image.js';
import { type Introduction, introduce, newIntroduction } from './introduce.js';

/**
 * Starts one copy of an image: everything is checked before anything is started, and ready means that it has confirmed
 * its identity. A standby is used where there is one. On failure, or beyond the time limit, nothing of it is left.
 */
export async function restoreCopy(
  parts: VmforkParts,
  from: CheckpointReader,
  request: StartRequest,
  signal: AbortSignal,
): Promise<Handle> {
  const { place, containers, standbys } = parts;
  const { uid, spec } = request;
  const began = performance.now();
  const facts = await checkImage(place.host, from.directory);
  requireSameShape(facts, spec);
  const introduction = newIntroduction(facts.incarnation, from.record.crid, identityOf(uid, spec));
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs)]);
  const finished = standbys.hold();
  try {
    const fresh = !(await containers.exists(uid));
    const prepare = (paths: MachinePaths) => note(place, paths, introduction);
    const ready = fresh && (await standbys.take(from.record.crid, uid, prepare));
    if (ready) {
      try {
        return await bringStandby(parts, request, introduction, began, limit);
      } catch (caught) {
        parts.log(`a standby of ${from.record.crid} could not be used: ${String(caught)}`);
        await standbys.drop(uid);
        limit.throwIfAborted();
      }
    }
    return await bringNew(parts, from, request, introduction, began, limit);
  } catch (caught) {
    const heard = await lastWords(place, containers.paths(uid));
    await killContainer(place, containers, uid);
    await place.host.files.remove(containers.paths(uid).restoring);
    if (signal.aborted || (caught instanceof PortLayerError && caught.code !== 'WRONG_STATE')) throw caught;
    throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'The copy could not be started.', {
      required: `a machine that runs on from the image within ${place.config.restoreMs} ms`,
      found: heard.slice(-400),
      remedy: 'See the reason above, and restore it again. The image is intact.',
      cause: caught,
    });
  } finally {
    finished();
  }
}

/** A machine that waits, with the image in it, is this container from now on. */
async function bringStandby(
  parts: VmforkParts,
  { uid, spec }: StartRequest,
  introduction: Introduction,
  began: number,
  limit: AbortSignal,
): Promise<Handle> {
  const { place, containers } = parts;
  const paths = containers.paths(uid);
  const client = containers.client(uid);
  const { cpus } = spec.resources;
  if (cpus !== undefined) {
    const group = containers.group(uid);
    await group.prepare({ cpus });
    await group.join(await client.init(limit));
    await group.limit({ cpus });
  }
  const us = await introduce(place, paths, client, introduction, true, limit);
  await place.host.files.remove(paths.restoring);
  return makeHandle(paths.directory, timesOf(began, us, true));
}

async function bringNew(
  parts: VmforkParts,
  from: CheckpointReader,
  request: StartRequest,
  introduction: Introduction,
  began: number,
  limit: AbortSignal,
): Promise<Handle> {
  const { place, containers } = parts;
  const { uid, spec } = request;
  await clearRun(place, containers, uid);
  const paths = containers.paths(uid);
  await createDiskLayers(place, containers).discard(uid);
  const [disk, accelerator] = await Promise.all([
    prepareDisk(place, paths, request, limit),
    place.accelerator(),
    note(place, paths, introduction),
  ]);
  const begin = {
    kind: 'copy',
    ram: ramOf(from.directory),
    state: stateOf(from.directory),
    incarnation: introduction.incarnation,
  } as const;
  const { identity } = introduction;
  await launch(
    place,
    containers,
    uid,
    { spec, paths, disk, identity, accelerator: accelerator.name, begin },
    limit,
  );
  const us = await introduce(place, paths, containers.client(uid), introduction, false, limit);
  await Promise.all([place.host.files.remove(paths.restoring), limitAsAsked(place, containers, uid)]);
  return makeHandle(paths.directory, timesOf(began, us, false));
}

/** A copy whose service was killed before it had its identity gets it now. No effect on any other machine. */
export async function recoverCopy(parts: VmforkParts, uid: string, signal: AbortSignal): Promise<void> {
  const { place, containers } = parts;
  const paths = containers.paths(uid);
  const text = await place.host.files.read(paths.restoring).then(String, () => '');
  if (text === '') return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs)]);
  try {
    const client = containers.client(uid);
    await introduce(place, paths, client, JSON.parse(text) as Introduction, true, limit);
  } catch (caught) {
    parts.log(`copy ${uid} could not be finished: ${String(caught)}`);
    if ((await findMonitor(place.host, paths.directory)) !== undefined)
      await killContainer(place, containers, uid);
  }
  await place.host.files.remove(paths.restoring);
}

/** Durable enough: what a machine is to be told is of no use once the host has stopped. */
async function note(place: Place, paths: MachinePaths, introduction: Introduction): Promise<void> {
  const text = JSON.stringify(introduction);
  await place.host.files.writeAtomic(paths.restoring, text, 0o600, { durable: false });
}

function timesOf(began: number, us: number, standby: boolean) {
  return { copyMs: performance.now() - began, identityMs: us / 1000, standby };
}
