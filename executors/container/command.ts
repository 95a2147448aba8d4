import type { ContainerPaths } from './layout.js';
import type { Place } from './place.js';
import { inUserNamespace } from './rootless.js';
import { runcPath } from './runc.js';
import type { ReadyOverlay } from './writable-layer.js';

/**
 * The command line that puts the root together in a mount namespace of its own and runs runc there. The container's
 * mounts are copied into its own namespace; what is left here goes when runc has ended, however it ends. `wrap` is
 * a command that ends in executing its arguments. Pure.
 */
export function stagedRunc(
  place: Place,
  paths: ContainerPaths,
  overlay: ReadyOverlay,
  setup: readonly string[],
  verb: readonly string[],
  wrap: readonly string[] = [],
): readonly string[] {
  return [
    ...inUserNamespace(place, setup.includes('--loopback-up')),
    place.host.initBinary,
    'stage',
    ...['--relay-early', `${paths.relay}/relay.sock`],
    ...setup,
    ...['--overlay', paths.merged, overlay.lowers.join(':'), overlay.upper, overlay.work],
    '--',
    ...wrap,
    ...runcCommand(place, paths, verb),
  ];
}

/** runc with this executor's state and the container's log. Pure. */
export function runcCommand(place: Place, paths: ContainerPaths, verb: readonly string[]): readonly string[] {
  return [
    runcPath(place.runc),
    '--root',
    place.layout.runc,
    '--log',
    paths.log,
    '--log-format',
    'json',
    ...verb,
  ];
}

/** The environment of runc: where it finds its CRIU, if it is to, and CRIU its tools. Pure. */
export function runcEnvironment(criuDirectory?: string): Readonly<Record<string, string>> {
  const first = criuDirectory === undefined ? '' : `${criuDirectory}:`;
  return { PATH: `${first}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
}
