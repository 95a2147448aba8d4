import type { StartRequest } from '../../portlayer/plugin/executor.js';
import type { Identity } from './bundle/identity.js';
import { writeBundle } from './bundle/write-bundle.js';
import type { Containers } from './containers.js';
import { makeNetwork } from './network.js';
import type { ContainerOptions } from './options.js';
import type { Place } from './place.js';
import { resolveRootfs } from './rootfs/resolve-rootfs.js';
import { prepareOverlay, type ReadyOverlay } from './writable-layer.js';

/** What one run of a container is prepared for: a start, or a restore. */
export interface RunRequest {
  readonly request: StartRequest;
  readonly options: ContainerOptions;
  readonly identity: Identity;
  /** IPv4 address and prefix, where it has one of its own. */
  readonly address: string | undefined;
  /** The directory of the init's build. */
  readonly bin: string;
}

/** A run made ready: its root, and what is still to be set up by the process that puts it together. */
export interface ReadyRun {
  readonly overlay: ReadyOverlay;
  readonly setup: readonly string[];
}

/** Makes all that runc needs of one run but for what its own process sets up. Nothing is started. */
export async function prepareRun(
  place: Place,
  containers: Containers,
  asked: RunRequest,
  signal: AbortSignal,
): Promise<ReadyRun> {
  const { request, options, address } = asked;
  const { uid, spec, layers } = request;
  const paths = containers.paths(uid);
  const veth = options.veth && address !== undefined ? { ...options.veth, address } : undefined;
  const overlayOf = async () =>
    prepareOverlay(place, paths, await resolveRootfs(place, spec.rootfs ?? ''), layers);
  const [overlay, own] = await Promise.all([
    overlayOf(),
    writeBundle(place, paths, { ...asked, address: address?.split('/')[0] }),
    veth && makeNetwork(place, uid, paths.network, veth, signal),
  ]);
  const quick = request.launch.quickLoopback ? ['--quick-loopback'] : [];
  const made = place.rootless ? ['--loopback-up'] : ['--netns', paths.network, ...quick];
  const network = spec.network === 'none' && !veth ? made : [];
  return { overlay, setup: [...network, ...own] };
}
