import type { Finding, Fingerprint } from '../../model/capability.js';
import type { Host } from '../../plugin/host.js';
import { detectCgroups } from '../cgroup/cgroup-layout.js';

/** What a Linux host is and offers now, found by reading files only: for `local` and `ssh` alike. */
export async function fingerprintHost(host: Host, signal?: AbortSignal): Promise<Fingerprint> {
  const text = (path: string) => host.files.read(path, signal).then(String, () => '');
  const [kernel, release, cpu, memory, userNamespaces, init] = await Promise.all([
    text('/proc/sys/kernel/osrelease'),
    text('/etc/os-release'),
    text('/proc/cpuinfo'),
    text('/proc/meminfo'),
    text('/proc/sys/user/max_user_namespaces'),
    host.files.exists(host.initBinary),
  ]);
  const findings: Finding[] = [
    { key: 'kernel', value: kernel.trim() },
    { key: 'distribution', value: osReleaseField(release, 'PRETTY_NAME') },
    { key: 'architecture', value: architectureOf(cpu) },
    { key: 'cpu-model', value: cpuField(cpu, 'model name') || cpuField(cpu, 'CPU part') },
    { key: 'cpus', value: String(cpu.match(/^processor\s*:/gm)?.length ?? 0) },
    { key: 'cpu-features', value: cpuFeatures(cpu) },
    { key: 'memory', value: `${memoryMiB(memory)} MiB` },
    { key: 'user-namespace', value: Number(userNamespaces) > 0 ? 'yes' : 'no' },
    await cgroupFinding(host),
    {
      key: 'free-disk',
      value: `${Math.floor((await host.files.freeBytes(host.stateDirectory)) / 2 ** 30)} GiB`,
    },
    init
      ? { key: 'init', value: host.initBinary }
      : {
          key: 'init',
          value: 'no',
          reason: `${host.initBinary} is not there`,
          remedy: 'Build it: sh loaders/init/build.sh',
        },
  ];
  return {
    level: 'environment',
    name: host.name,
    health: init ? 'healthy' : 'unusable',
    description: init
      ? `Linux ${kernel.trim()}, ${osReleaseField(release, 'PRETTY_NAME')}`
      : 'The init binary is missing.',
    findings,
  };
}

async function cgroupFinding(host: Host): Promise<Finding> {
  const layout = await detectCgroups(host);
  const value = `${layout.kind}${layout.writable.length > 0 ? `: ${layout.writable.join(',')}` : ''}`;
  return layout.reason === undefined
    ? { key: 'cgroup', value }
    : { key: 'cgroup', value, reason: layout.reason, remedy: layout.remedy ?? 'Run the service as root.' };
}

function osReleaseField(text: string, field: string): string {
  return new RegExp(`^${field}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? 'unknown';
}

function cpuField(text: string, field: string): string {
  return new RegExp(`^${field}\\s*: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
}

/** Sorted and comma-separated, as the constraint relation `superset` compares them. */
function cpuFeatures(text: string): string {
  const features = cpuField(text, 'flags') || cpuField(text, 'Features');
  return features.split(/\s+/).filter(Boolean).sort().join(',');
}

function architectureOf(cpuinfo: string): string {
  if (/^flags\s*:.*\blm\b/m.test(cpuinfo)) return 'x86_64';
  return /^CPU architecture\s*: 8/m.test(cpuinfo) ? 'aarch64' : 'unknown';
}

function memoryMiB(meminfo: string): number {
  return Math.floor(Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) / 1024);
}
