import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { LaunchPlan } from '../../portlayer/plugin/loader.js';
import type { DmtcpConfig } from './config.js';
import type { UsableDmtcp } from './find-dmtcp.js';
import { type Install, libraryDirectory } from './install.js';
import { askersFile, inside, portFile, roomBytes } from './paths-inside.js';

const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const guestTools = '/run/portlayer/bin';
/** The highest but three: far from what libraries take, and none of the relay protocol's. SIGUSR2, DMTCP's own choice, is what asks a task to checkpoint itself. */
const defaultSignal = 61;

/** What a plan is made from. */
export interface PlanParts {
  readonly config: DmtcpConfig;
  readonly found: UsableDmtcp;
  readonly install: Install;
}

/**
 * The task under DMTCP: a coordinator of its own on a port of the container's own network. Throws INVALID_SPEC where
 * others could reach that: it does what anybody tells it. Pure.
 */
export function planLaunch(parts: PlanParts, spec: ContainerSpec): LaunchPlan {
  refuseShared(spec);
  const launch = [
    `${inside.install}/bin/dmtcp_launch`,
    ...common,
    // The images are compressed by the store, if at all, and not while the task waits.
    '--no-gzip',
    ...['--ckpt-signal', String(parts.config.signal ?? defaultSignal)],
    ...['--ckptdir', inside.room],
    ...['-q', '-q'],
    ...spec.task.argv,
  ];
  const checks = ['--need-dynamic', spec.task.argv[0] ?? ''];
  return { ...shared(parts, spec, checks), argv: launch };
}

/**
 * The same container brought back from images: with what {@link planLaunch} gives it, and the images. The first asks the
 * user nothing and warns of nothing. Pure.
 *
 * @param images file names in the directory `source` of the host
 */
export function planRestart(
  parts: PlanParts,
  spec: ContainerSpec,
  crid: string,
  source: string,
  images: readonly string[],
): LaunchPlan {
  const restart = [
    `${inside.install}/bin/dmtcp_restart`,
    ...common,
    ...['--ckptdir', inside.room],
    ...['--no-strict-checking', '-q', '-q'],
    ...images.map(name => `${inside.image}/${name}`),
  ];
  const plan = shared(parts, spec, ['--restored', crid]);
  return { ...plan, argv: restart, bring: [...plan.bring, { source, target: inside.image }] };
}

const common = [
  '--new-coordinator',
  // By number: what the container's resolver makes of localhost is no matter of ours.
  ...['--coord-host', '127.0.0.1', '--coord-port', '0', '--port-file', portFile],
];

function shared(parts: PlanParts, spec: ContainerSpec, checks: readonly string[]): Omit<LaunchPlan, 'argv'> {
  const { found, install } = parts;
  const { user } = spec.task;
  const root = (user?.uid ?? 0) === 0;
  const defaults = {
    PATH: `${guestTools}:${usualPath}`,
    HOME: root ? '/root' : '/',
    HOSTNAME: spec.hostname ?? spec.name,
  };
  return {
    // By the environment, since the coordinator that a restart begins is not told by an option.
    env: { ...defaults, ...spec.task.env, DMTCP_TMPDIR: inside.room },
    bring: [
      { source: install.directory, target: inside.install },
      // In place of the static one, which no checkpoint could keep while it waits for its answer.
      ...(install.tool
        ? [{ source: `${install.directory}/tool/checkpoint`, target: `${guestTools}/checkpoint` }]
        : []),
    ],
    waitForAll: false,
    scratch: [{ target: inside.room, bytes: roomBytes }],
    quickLoopback: true,
    initOptions: [
      '--keeper',
      ...['--companion', 'dmtcp_coor'],
      ...['--askers', `${inside.room}/${askersFile}`],
      ...(found.glibc === '' ? [] : ['--need-glibc', found.glibc]),
      ...found.libraries.flatMap(({ name }) => [
        '--library',
        name,
        `${inside.install}/${libraryDirectory(name)}`,
      ]),
      ...(user ? ['--state-owner', inside.room, String(user.uid), String(user.gid)] : []),
      ...checks,
    ],
  };
}

function refuseShared(spec: ContainerSpec): void {
  const veth = spec.executorOptions.veth !== undefined;
  if (spec.network === 'none' && !veth) return;
  throw new PortLayerError('INVALID_SPEC', 'The loader dmtcp needs a network that nobody else is in.', {
    required: 'network: none, and no veth',
    found: veth ? 'executorOptions.veth' : `network: ${spec.network}`,
    remedy:
      "Leave the network out: DMTCP's coordinator does what anybody tells it who reaches it. Use the loader init with criu where the container must be reached.",
    facts: { field: veth ? 'executorOptions.veth' : 'network' },
  });
}
