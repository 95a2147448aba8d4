import type { StartRequest } from '../../portlayer/plugin/executor.js';
import type { ContainerPaths } from './layout.js';
import type { Place } from './place.js';
import { taskEnvironment, taskEnvPrefix } from './task-environment.js';
import type { WritableLayer } from './writable-layer.js';

/** What the monitor is to execute. */
export interface Command {
  readonly argv: readonly string[];
  /** The task's, under names of its own: `unshare` and the monitor see nothing they would act on. */
  readonly env: Readonly<Record<string, string>>;
}

const guestRelay = '/run/portlayer';

/** The whole command line of one start: `unshare … portlayer-init init … -- task`. Pure. */
export function buildCommand(
  place: Place,
  paths: ContainerPaths,
  request: StartRequest,
  layer: WritableLayer,
): Command {
  const { spec, launch } = request;
  const state = place.ownRoot ? '/state' : layer.kind === 'tree' ? layer.tree : layer.upper;
  const relay = place.ownRoot ? guestRelay : paths.relay;
  const cwd = spec.task.cwd ?? (spec.rootfs === undefined ? state : '/');
  return {
    argv: [
      ...unshare(place, spec.network),
      place.host.initBinary,
      'init',
      ...['--relay', `${relay}/relay.sock`, '--socket', `${relay}/checkpoint.sock`],
      ...['--relay-early', `${paths.relay}/relay.sock`],
      ...['--cwd', cwd, '--env-prefix', taskEnvPrefix],
      ...(spec.network === 'none' && place.namespaces.kinds.has('net') ? ['--loopback-up'] : []),
      ...(spec.task.user ? ['--uid', String(spec.task.user.uid), '--gid', String(spec.task.user.gid)] : []),
      ...(place.namespaces.kinds.has('uts') ? ['--hostname', spec.hostname ?? hostnameOf(spec.name)] : []),
      ...(spec.task.exitCode ? ['--checkpoint-exit', String(spec.task.exitCode.checkpoint)] : []),
      ...(launch.waitForAll ? ['--wait-all'] : []),
      ...(launch.initOptions ?? []),
      ...(place.config.dropCapabilities === false ? [] : ['--drop-capabilities']),
      ...(place.ownRoot ? setUp(place, paths, request, layer) : []),
      '--',
      ...launch.argv,
    ],
    env: taskEnvironment({ ...environment(place, launch.env), ...request.env, PORTLAYER_STATE: state }),
  };
}

function unshare(place: Place, network: 'host' | 'none'): readonly string[] {
  const { unshare: program, kinds } = place.namespaces;
  if (program === undefined || kinds.size === 0) return [];
  const asked = (['pid', 'mount', 'ipc', 'uts'] as const)
    .filter(kind => kinds.has(kind))
    .map(kind => `--${kind}`);
  return [
    program,
    ...(kinds.has('user') ? ['--user', '--map-root-user'] : []),
    ...asked,
    ...(network === 'none' && kinds.has('net') ? ['--net'] : []),
    ...(kinds.has('pid') ? ['--fork', '--kill-child'] : []),
  ];
}

/** The set-up operations, in their order: a root, what is mounted in it, the change into it. */
function setUp(
  place: Place,
  paths: ContainerPaths,
  request: StartRequest,
  layer: WritableLayer,
): readonly string[] {
  const { spec, launch } = request;
  const root = paths.merged;
  const inside = (path: string) => `${root}${path}`;
  const own = spec.rootfs !== undefined;
  const state = inside('/state');
  return [
    ...(own ? writable(layer, root) : ['--host-root', root]),
    ...(own
      ? ['--mkdir', state, '--bind-ro', '/sys', inside('/sys')]
      : [...hide(place, root), ...writable(layer, state)]),
    ...['--proc', inside('/proc'), '--dev', inside('/dev')],
    ...(own ? [] : ['--tmpfs', inside('/tmp'), '1777']),
    ...['--tmpfs', inside('/run'), '0755'],
    ...[
      '--bind',
      paths.relay,
      inside(guestRelay),
      '--bind-ro',
      place.layout.bin,
      inside(`${guestRelay}/bin`),
    ],
    ...launch.bring.flatMap(({ source, target }) => ['--bind-ro', source, inside(target)]),
    ...spec.volumes.flatMap(v => [v.readOnly ? '--bind-ro' : '--bind', v.source, inside(v.target)]),
    ...(spec.task.user
      ? ['--state-owner', state, String(spec.task.user.uid), String(spec.task.user.gid)]
      : []),
    ...['--pivot', root],
  ];
}

function writable(layer: WritableLayer, at: string): readonly string[] {
  if (layer.kind === 'tree') return ['--bind', layer.tree, at];
  return ['--overlay', at, layer.lowers.join(':'), layer.upper, layer.work];
}

/** The port layer's own directory holds other containers' state: an empty one is put over it. */
function hide(place: Place, root: string): readonly string[] {
  const path = place.host.stateDirectory;
  const replaced = ['/tmp/', '/run/', '/dev/', '/proc/', '/state/'].some(top => `${path}/`.startsWith(top));
  return replaced ? [] : ['--tmpfs', `${root}${path}`, '0700'];
}

function environment(place: Place, env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (place.ownRoot) return env;
  return { ...env, PATH: `${place.layout.bin}:${env.PATH ?? ''}` };
}

/** A container's name as a host name: without the characters that one may not have. */
function hostnameOf(name: string): string {
  return name
    .replaceAll('_', '-')
    .replace(/[-.]+$/, '')
    .slice(0, 63);
}
