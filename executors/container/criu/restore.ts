import { findMonitor } from '../../../portlayer/environments/monitor/monitor-process.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../../portlayer/model/container-record.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { CheckpointReader } from '../../../portlayer/plugin/mechanism.js';
import { identityOf } from '../bundle/identity.js';
import { runcEnvironment, stagedRunc } from '../command.js';
import { killContainer } from '../ending.js';
import { makeHandle } from '../handle.js';
import { type ContainerOptions, optionsOf } from '../options.js';
import { prepareRun } from '../prepare.js';
import { clearRun, launch } from '../start.js';
import { sweepRun } from '../sweep.js';
import type { CheckpointParts } from './checkpoint.js';
import { criuConfig } from './criu-config.js';
import { usable } from './find-criu.js';
import { checkImage, type ImageFacts, imageOf, readImageFacts } from './image.js';
import { introduce, newIntroduction } from './introduce.js';
import { lazily } from './lazy-pages.js';
import { checkNeeded } from './needed-files.js';
import { restoreFailure } from './restore-failure.js';
import { criuSetup } from './run-staged.js';
import { refuseChanged } from './same-spec.js';

const defaultRestoreMs = 60_000;

/**
 * Starts one container from an image: everything is checked before anything is started, and ready means that its
 * init has confirmed the new identity. On failure, or beyond the time limit, nothing of it is left.
 */
export async function restoreCopy(
  parts: CheckpointParts,
  from: CheckpointReader,
  request: StartRequest,
  signal: AbortSignal,
): Promise<Handle> {
  const { place, containers } = parts;
  const { host } = place;
  const { uid, spec } = request;
  const paths = containers.paths(uid);
  refuseChanged(from.record.spec, spec);
  const criu = usable(await place.criu());
  const facts = await readImageFacts(host, from.directory);
  const bin = `${place.layout.bin}/${facts.bin}`;
  if (!(await host.files.exists(bin))) throw initGone(facts.bin);
  const options = optionsOf(spec);
  const cleared = clearRun(place, containers, request).then(() => parts.disk.discard(uid));
  cleared.catch(() => {});
  await Promise.all([
    checkImage(host, from.directory, facts),
    checkNeeded(host, spec, facts.needed ?? []),
    cleared,
  ]);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs ?? defaultRestoreMs)]);
  const identity = options.keepIdentity
    ? identityOf(from.record.containerUid, from.record.spec)
    : identityOf(uid, spec);
  const introduction = newIntroduction(facts.incarnation, from.record.crid);
  try {
    const address = options.veth && (await addressOf(parts, request, facts, options));
    const [{ overlay, setup }] = await Promise.all([
      prepareRun(place, containers, { request, options, identity, address, bin }, limit),
      host.files.makeDirectory(`${paths.directory}/restore`, 0o700),
      host.files.writeAtomic(paths.criuConfig, criuConfig(options, place.layout.criuStep), 0o600, {
        durable: false,
      }),
      host.files.writeAtomic(paths.restoring, JSON.stringify(introduction), 0o600, { durable: false }),
    ]);
    const flags = ['--detach', '--file-locks', ...(options.tcpEstablished ? ['--tcp-established'] : [])];
    const where = ['--image-path', imageOf(from.directory), '--work-path', `${paths.directory}/restore`];
    const lazy = options.lazyRestore ? ['--lazy-pages'] : [];
    const verb = [
      'restore',
      ...lazy,
      ...flags,
      ...where,
      '--bundle',
      paths.bundle,
      '--pid-file',
      paths.pid,
      uid,
    ];
    const wrap = options.lazyRestore
      ? lazily(criu, imageOf(from.directory), `${paths.directory}/restore`)
      : [];
    const command = stagedRunc(place, paths, overlay, [...setup, ...criuSetup(criu)], verb, wrap);
    const env = { ...runcEnvironment(criu.directory), PORTLAYER_HOSTNAME: identity.hostname };
    await launch(place, containers, request, command, env, limit);
    await introduce(containers, uid, introduction, limit);
    await host.files.remove(paths.restoring);
    return makeHandle(paths.directory);
  } catch (caught) {
    const failure = await restoreFailure(place, paths, caught, signal);
    await killContainer(place, containers, uid);
    await sweepRun(place, containers, uid);
    await host.files.remove(paths.restoring);
    throw failure;
  }
}

/** A copy whose service was killed before it had its identity gets it now. No effect on any other container. */
export async function recoverCopy(parts: CheckpointParts, uid: string, signal: AbortSignal): Promise<void> {
  const { place, containers } = parts;
  const paths = containers.paths(uid);
  const text = await place.host.files.read(paths.restoring).then(String, () => '');
  if (text === '') return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(place.config.restoreMs ?? defaultRestoreMs)]);
  try {
    await introduce(containers, uid, JSON.parse(text), limit);
  } catch (caught) {
    parts.log(`copy ${uid} could not be finished: ${String(caught)}`);
    if ((await findMonitor(place.host, paths.directory)) !== undefined)
      await killContainer(place, containers, uid);
  }
  await place.host.files.remove(paths.restoring);
}

/** An established connection is bound to its address, and so is a copy that keeps its identity; another copy takes a free one. */
async function addressOf(
  parts: CheckpointParts,
  request: StartRequest,
  facts: ImageFacts,
  options: ContainerOptions,
): Promise<string> {
  const { addresses } = parts.containers;
  const wanted = facts.address ?? options.veth?.address ?? '';
  return options.keepIdentity || options.tcpEstablished ? wanted : addresses.takeFree(request.uid, wanted);
}

function initGone(build: string): PortLayerError {
  return new PortLayerError('CONSTRAINT_UNMET', 'The init that runs in the image is not on this host.', {
    required: `the build ${build} of portlayer-init`,
    found: 'none',
    remedy: 'Restore on the host of the checkpoint, with its state directory. Nothing was started.',
  });
}
