import { createHash } from 'node:crypto';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { type Library, newer, parseLdd } from './libraries.js';

/** A DMTCP that was run once. */
export interface UsableDmtcp {
  readonly prefix: string;
  /** The directory of its programs. */
  readonly bin: string;
  /** The directory of `libdmtcp.so`. */
  readonly library: string;
  readonly version: string;
  /** 16 hex digits that follow from its files: an image is restored by the build that made it. */
  readonly build: string;
  /** Whether this build writes images in a process of their own, so that the task goes on at once. */
  readonly forked: boolean;
  /** Whether its `dmtcp_command` speaks JSON. */
  readonly json: boolean;
  /** The symbols that a container's glibc must have: `2.34`. */
  readonly glibc: string;
  /** What is brought where the container has none of its own. */
  readonly libraries: readonly Library[];
}

/** DMTCP on one host, or why there is none to use. */
export type DmtcpFound =
  | UsableDmtcp
  | {
      readonly bin?: undefined;
      readonly version: string;
      readonly reason: string;
      readonly remedy: string;
    };

const leastVersion = '3.0';
const usualPrefixes = ['/usr/local', '/usr', '/opt/dmtcp', '/opt/local'];
const remedy =
  'Install DMTCP 3 or newer as its own page says (https://github.com/dmtcp/dmtcp), and set prefix in the configuration of the loader dmtcp to where it is.';
/** Programs that run in a container; the last is a static one that DMTCP itself starts. */
export const programs = [
  'dmtcp_launch',
  'dmtcp_restart',
  'dmtcp_coordinator',
  'dmtcp_command',
  'dmtcp_nocheckpoint',
  'mtcp_restart',
] as const;
const trialMs = 20_000;

/** Looks for DMTCP, asks its version, and runs a program under it. */
export async function findDmtcp(host: Host, told: string | undefined): Promise<DmtcpFound> {
  const prefix = told ?? (await findPrefix(host));
  if (prefix === undefined) return { version: '', reason: 'there is no command dmtcp_launch', remedy };
  const bin = `${prefix}/bin`;
  const absent = await firstMissing(
    host,
    programs.map(name => `${bin}/${name}`),
  );
  if (absent !== undefined) return { version: '', reason: `there is no ${absent}`, remedy };
  const said = await host.run([`${bin}/dmtcp_launch`, '--version']);
  const version = /\(DMTCP\) (\d[\w.+-]*)/.exec(said.stdout)?.[1] ?? '';
  if (version === '')
    return { version, reason: `${bin}/dmtcp_launch does not run: ${firstLine(said.stderr)}`, remedy };
  if (newer(leastVersion, version))
    return { version, reason: `DMTCP ${version} is too old: ${leastVersion} is needed`, remedy };
  const library = await libraryOf(host, prefix);
  if (library === undefined) return { version, reason: `there is no libdmtcp.so below ${prefix}`, remedy };
  const linkage = await linkageOf(host, bin, library);
  if (linkage.missing.length > 0)
    return { version, reason: `libraries are missing: ${linkage.missing.join(', ')}`, remedy };
  const trial = await tryOnce(host, bin);
  if (!trial.output.includes('DMTCP_HIJACK_LIBS='))
    return { version, reason: `a program does not run under it: ${trial.reason}`, remedy };
  const build = await buildOf(host, [
    `${library}/libdmtcp.so`,
    `${bin}/dmtcp_coordinator`,
    `${bin}/mtcp_restart`,
  ]);
  const { json } = trial;
  const forked = trial.output.includes('DMTCP_FORKED_CHECKPOINT=');
  return {
    prefix,
    bin,
    library,
    version,
    build,
    forked,
    json,
    glibc: linkage.glibc,
    libraries: linkage.libraries,
  };
}

/** The DMTCP to work with. Throws EXECUTOR_UNAVAILABLE with the reason where there is none. */
export function usable(found: DmtcpFound): UsableDmtcp {
  if (found.bin !== undefined) return found;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'DMTCP cannot be used on this host.', {
    required: `DMTCP ${leastVersion} or newer`,
    found: found.reason,
    remedy: found.remedy,
    facts: { level: 'loader', name: 'dmtcp', capability: 'checkpoint:dmtcp' },
  });
}

/** By PATH, then in the usual places. */
async function findPrefix(host: Host): Promise<string | undefined> {
  const inPath = await host.run(['sh', '-c', 'command -v dmtcp_launch']);
  const found = inPath.stdout.trim();
  if (inPath.code === 0 && found.endsWith('/bin/dmtcp_launch'))
    return found.slice(0, -'/bin/dmtcp_launch'.length);
  for (const prefix of usualPrefixes)
    if (await host.files.exists(`${prefix}/bin/dmtcp_launch`)) return prefix;
  return undefined;
}

async function firstMissing(host: Host, paths: readonly string[]): Promise<string | undefined> {
  const there = await Promise.all(paths.map(path => host.files.exists(path)));
  return paths.find((_, i) => !there[i]);
}

async function libraryOf(host: Host, prefix: string): Promise<string | undefined> {
  const machine = (await host.run(['uname', '-m'])).stdout.trim();
  const places = ['lib/dmtcp', 'lib64/dmtcp', `lib/${machine}-linux-gnu/dmtcp`].map(
    place => `${prefix}/${place}`,
  );
  for (const place of places) if (await host.files.exists(`${place}/libdmtcp.so`)) return place;
  return undefined;
}

async function linkageOf(
  host: Host,
  bin: string,
  library: string,
): Promise<{ libraries: readonly Library[]; glibc: string; missing: readonly string[] }> {
  const files = [...programs.slice(0, -1).map(name => `${bin}/${name}`), `${library}/libdmtcp.so`];
  const all = await Promise.all(
    files.map(async file => parseLdd((await host.run(['ldd', '-v', file])).stdout)),
  );
  const libraries = new Map(all.flatMap(one => one.libraries.map(lib => [lib.name, lib] as const)));
  const glibc = all
    .map(one => one.glibc)
    .reduce((a, b) => (a === '' || (b !== '' && newer(b, a)) ? b : a), '');
  return {
    libraries: [...libraries.values()].sort((a, b) => a.name.localeCompare(b.name)),
    glibc,
    missing: [...new Set(all.flatMap(one => one.missing))],
  };
}

/** Runs `env` under it, as root in a network of its own: a coordinator asks nobody who they are. */
async function tryOnce(host: Host, bin: string): Promise<{ output: string; reason: string; json: boolean }> {
  const directory = `${host.stateDirectory}/dmtcp/trial`;
  await host.files.makeDirectory(directory, 0o700);
  const alone =
    host.uid === 0
      ? [
          'unshare',
          '--net',
          '--pid',
          '--mount',
          '--fork',
          host.initBinary,
          'init',
          '--loopback-up',
          '--keeper',
          '--',
        ]
      : [];
  const launch = [
    `${bin}/dmtcp_launch`,
    '--new-coordinator',
    '--coord-host',
    '127.0.0.1',
    '--coord-port',
    '0',
  ];
  const places = ['--tmpdir', directory, '--ckptdir', directory, '-q', '-q'];
  const signal = AbortSignal.timeout(trialMs);
  const done = await host
    .run([...alone, ...launch, ...places, 'env'], { signal })
    .catch(caught => ({ code: -1, stdout: '', stderr: String(caught) }));
  const command = await host.run([`${bin}/dmtcp_command`, '--json', '--version']);
  const json = command.code === 0 && command.stdout.startsWith('{');
  const reason = firstLine(done.stderr) || `exit code ${done.code}`;
  return { output: done.code === 0 ? done.stdout : '', reason, json };
}

/** By size and content: a rebuilt DMTCP of the same version may not read the other's images. */
async function buildOf(host: Host, files: readonly string[]): Promise<string> {
  const sums = await host.run([host.initBinary, 'digest', ...files]);
  const text = sums.stdout.split('\n').map(line => line.split(' ').slice(0, 2).join(' '));
  return createHash('sha256').update(text.join('\n')).digest('hex').slice(0, 16);
}

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, 200);
}
