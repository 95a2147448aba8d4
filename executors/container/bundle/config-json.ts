import type { ResourceSpec } from '../../../portlayer/model/container-spec.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { ContainerPaths } from '../layout.js';
import type { ContainerOptions } from '../options.js';
import {
  defaultCapabilities,
  type Mount,
  maskedPaths,
  readonlyPaths,
  rootlessMounts,
  systemMounts,
} from './isolation.js';
import { inside, ownFiles } from './paths-inside.js';
import { defaultSeccomp } from './seccomp.js';

/** What a bundle is made of beside the request. */
export interface BundleParts {
  readonly paths: ContainerPaths;
  readonly options: ContainerOptions;
  readonly hostname: string;
  /** The directory of the init's build. */
  readonly bin: string;
  /** `/portlayer/UID`, below the top of each hierarchy; absent in a user namespace, where runc makes none. */
  readonly cgroupsPath: string | undefined;
  /** `x86_64` or `aarch64`. */
  readonly architecture: string;
  /** The file with CRIU's further options. */
  readonly criuConfig: string;
}

const cfsPeriodUs = 100_000;

/** An OCI runtime configuration (runtime-spec 1.0.2) for one container. Pure. */
export function configJson(request: StartRequest, parts: BundleParts): object {
  const { spec } = request;
  const { paths, options } = parts;
  const rootless = parts.cgroupsPath === undefined;
  return {
    ociVersion: '1.0.2',
    process: processJson({
      argv: initArguments(request),
      env: { ...request.launch.env, ...request.env, PORTLAYER_STATE: inside.state },
      cwd: '/',
      noNewPrivileges: options.noNewPrivileges,
    }),
    root: { path: paths.merged, readonly: false },
    hostname: parts.hostname,
    mounts: [...(rootless ? rootlessMounts(spec.network) : systemMounts), ...ownMounts(request, parts)],
    annotations: { 'org.criu.config': parts.criuConfig },
    linux: {
      ...(rootless ? {} : { cgroupsPath: parts.cgroupsPath }),
      resources: { devices: deviceRules, ...limits(spec.resources) },
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount'].map(type => ({ type })),
        ...(spec.network === 'none' && !rootless ? [{ type: 'network', path: paths.network }] : []),
      ],
      ...(options.seccomp === 'default' ? { seccomp: defaultSeccomp(parts.architecture) } : {}),
      maskedPaths,
      readonlyPaths,
    },
  };
}

/** A process to run in a container. */
export interface ProcessParts {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly noNewPrivileges: boolean;
}

/** The part `process` of a runtime configuration, with docker's default capabilities; another user than root has none of them in effect. Pure. */
export function processJson(parts: ProcessParts, user = { uid: 0, gid: 0 }): object {
  const own = user.uid === 0 ? defaultCapabilities : [];
  return {
    terminal: false,
    user,
    args: parts.argv,
    env: Object.entries(parts.env).map(([key, value]) => `${key}=${value}`),
    cwd: parts.cwd,
    capabilities: { bounding: defaultCapabilities, effective: own, permitted: own },
    noNewPrivileges: parts.noNewPrivileges,
  };
}

function initArguments(request: StartRequest): readonly string[] {
  const { spec, launch } = request;
  const { user, exitCode, cwd } = spec.task;
  return [
    `${inside.bin}/portlayer-init`,
    'init',
    ...['--relay', `${inside.relay}/relay.sock`, '--socket', `${inside.relay}/checkpoint.sock`],
    ...['--cwd', cwd ?? '/'],
    ...(user ? ['--uid', String(user.uid), '--gid', String(user.gid)] : []),
    ...(exitCode ? ['--checkpoint-exit', String(exitCode.checkpoint)] : []),
    ...(launch.waitForAll ? ['--wait-all'] : []),
    ...(launch.initOptions ?? []),
    ...(user ? ['--state-owner', inside.state, String(user.uid), String(user.gid)] : []),
    '--',
    ...launch.argv,
  ];
}

/** In the order in which they are mounted; a restore needs them all, in any order. */
function ownMounts(request: StartRequest, parts: BundleParts): readonly Mount[] {
  const bind = (source: string, destination: string, readOnly: boolean): Mount => ({
    destination,
    type: 'bind',
    source,
    options: ['rbind', 'rprivate', readOnly ? 'ro' : 'rw'],
  });
  return [
    ...request.spec.volumes.map(v => bind(v.source, v.target, v.readOnly)),
    ...ownFiles.map(name => bind(`${parts.paths.etc}/${name}`, `/etc/${name}`, false)),
    bind(parts.paths.relay, inside.relay, false),
    bind(parts.bin, inside.bin, true),
    ...request.launch.bring.map(b => bind(b.source, b.target, true)),
    ...(request.launch.scratch ?? []).map(({ target, bytes }) => ({
      destination: target,
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'nodev', 'noexec', `size=${bytes}`],
    })),
  ];
}

/** Nothing but the harmless devices that runc makes; making others is allowed, using them is not. */
const deviceRules = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
];

function limits(resources: ResourceSpec): object {
  const { cpus, memoryBytes, pids } = resources;
  return {
    ...(cpus === undefined || cpus === 0
      ? {}
      : { cpu: { period: cfsPeriodUs, quota: Math.max(1000, Math.round(cpus * cfsPeriodUs)) } }),
    ...(memoryBytes === undefined ? {} : { memory: { limit: memoryBytes } }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}
