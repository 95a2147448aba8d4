import { findTool } from '../../../portlayer/environments/process/find-tool.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { compareVersions } from '../../../portlayer/model/constraint.js';
import type { Host } from '../../../portlayer/plugin/host.js';

/** A CRIU that was checked. */
export interface UsableCriu {
  /** The directory of the command `criu`, first in the PATH of runc. */
  readonly directory: string;
  readonly version: string;
  /** What `criu check` finds of the kernel's features, sorted: `pagemap_scan`, `uffd-noncoop`, … */
  readonly features: readonly string[];
  /**
   * How CRIU reads the limits of another user's task: by the kernel, with CAP_SYS_RESOURCE; or, where the service
   * lacks that, by a library that is preloaded and reads /proc.
   */
  readonly limits: 'own' | 'answered';
  /** A directory on a tmpfs that stands in for /run, where CRIU keeps what it found out about the kernel. */
  readonly run: string | undefined;
}

/** CRIU on one host, or why there is none to use. */
export type CriuFound =
  | UsableCriu
  | {
      readonly directory?: undefined;
      readonly version: string;
      readonly reason: string;
      readonly remedy: string;
    };

/** The oldest version that can dump a TCP socket on Linux 6.18. */
const leastVersion = '4.2';
const firstKernelThatNeedsIt = '6.16';
/** The oldest with all that is used here (network-lock skip). */
const leastEver = '3.18';
const CAP_SYS_RESOURCE = 24n;
const asked = [
  'mem_dirty_track',
  'uffd-noncoop',
  'pagemap_scan',
  'clone3_set_tid',
  'overlayfs_maps',
  'timerfd',
  'get_rseq_conf',
  'openat2',
];
const remedy =
  'Install CRIU 4.2 or newer (Debian 12: sh test/setup/criu.sh fetches it from sid), and set criuDirectory in the configuration of the executor container to its directory.';

/** Looks for CRIU, asks its version, and lets it check the kernel. */
export async function findCriu(host: Host, told: string | undefined, trial: string): Promise<CriuFound> {
  if (host.uid !== 0)
    return {
      version: '',
      reason: `the service runs as user ${host.uid}`,
      remedy: 'Run the service as root.',
    };
  const path = told === undefined ? await findTool(host, 'criu') : `${told}/criu`;
  if (path === undefined || !(await host.files.exists(path)))
    return {
      version: '',
      reason: path === undefined ? 'there is no command criu' : `there is no ${path}`,
      remedy,
    };
  const said = await host.run([path, '--version']);
  const version = /^Version: (\S+)/m.exec(said.stdout)?.[1] ?? '';
  if (version === '')
    return { version, reason: `${path} does not run: ${said.stderr.trim().slice(0, 200)}`, remedy };
  const kernel = (await host.files.read('/proc/sys/kernel/osrelease').then(String, () => '')).trim();
  const least = compareVersions(kernel, firstKernelThatNeedsIt) >= 0 ? leastVersion : leastEver;
  if (compareVersions(version, least) < 0)
    return { version, reason: `CRIU ${version} is too old for Linux ${kernel}: ${least} is needed`, remedy };
  const [check, ...features] = await Promise.all([
    host.run([path, 'check'], { cwd: trial }),
    ...asked.map(async name =>
      (await host.run([path, 'check', '--feature', name], { cwd: trial })).code === 0 ? name : '',
    ),
  ]);
  if (check.code !== 0) {
    const why = /^Error.*$/m.exec(check.stdout + check.stderr)?.[0] ?? `exit code ${check.code}`;
    return { version, reason: `criu check: ${why.slice(0, 200)}`, remedy };
  }
  const directory = path.slice(0, path.lastIndexOf('/'));
  const limits = await howLimits(host);
  return {
    directory,
    version,
    features: features.filter(Boolean).sort(),
    limits,
    run: await findRun(host),
  };
}

/** Reading another user's limits takes CAP_SYS_RESOURCE: prlimit(2). */
async function howLimits(host: Host): Promise<UsableCriu['limits']> {
  const status = (await host.run(['cat', '/proc/self/status'])).stdout;
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  if (((effective >> CAP_SYS_RESOURCE) & 1n) === 1n) return 'own';
  return 'answered';
}

/** The CRIU to work with. Throws CAPABILITY_MISSING with the reason where there is none. */
export function usable(found: CriuFound): UsableCriu {
  if (found.directory !== undefined) return found;
  throw new PortLayerError('CAPABILITY_MISSING', 'CRIU cannot be used on this host.', {
    required: `CRIU ${leastVersion} or newer`,
    found: found.reason,
    remedy: found.remedy,
    facts: { level: 'executor', name: 'container', capability: 'checkpoint:criu' },
  });
}

/** Where /run is no tmpfs CRIU asks the kernel anew each time, 20 to 35 ms: a directory of ours on /dev/shm takes its place. */
async function findRun(host: Host): Promise<string | undefined> {
  const type = async (path: string) => (await host.run(['stat', '-f', '-c', '%T', path])).stdout.trim();
  if ((await type('/run')) === 'tmpfs' || (await type('/dev/shm')) !== 'tmpfs') return undefined;
  const directory = '/dev/shm/portlayer-criu-run';
  await host.run(['mkdir', '-m', '700', directory]);
  // Anybody may make names there: only a directory that is ours alone will do.
  const owned = (await host.run(['stat', '-c', '%u %a %F', directory])).stdout.trim();
  return owned === `${host.uid} 700 directory` ? directory : undefined;
}
