import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import type { Place } from './place.js';

const criuTag = 'checkpoint:criu';

/** What the executor `container` can do on its host, from what was tried when it was made. */
export async function fingerprintPlace(place: Place): Promise<Fingerprint> {
  const { runc, cgroups } = place;
  const criu = await place.criu();
  const limits = cgroups.writable.filter(name => name !== 'freezer').join(',') || 'no';
  const why =
    cgroups.reason === undefined
      ? {}
      : { reason: cgroups.reason, remedy: cgroups.remedy ?? 'Run the service as root.' };
  const findings: Finding[] = [
    runc.path === undefined
      ? {
          key: 'runc',
          value: 'no',
          reason: runc.reason,
          remedy: runc.remedy,
          removes: ['run', 'exec', 'bind', 'writable-layer'],
        }
      : { key: 'runc', value: runc.version },
    criu.directory === undefined
      ? { key: 'criu', value: 'no', reason: criu.reason, remedy: criu.remedy, removes: [criuTag] }
      : { key: 'criu', value: criu.version },
    ...(criu.directory === undefined ? [] : [{ key: 'criu-features', value: criu.features.join(',') }]),
    { key: 'init-build', value: place.bin.slice(place.bin.lastIndexOf('/') + 1) },
    { key: 'init-builds', value: await initBuilds(place) },
    { key: 'architecture', value: place.architecture },
    { key: 'limits', value: limits, ...(limits === 'no' ? why : {}) },
    ...(place.rootless ? [rootless(place)] : []),
    freezing(place),
    apparmor(),
  ];
  const usable = runc.path !== undefined;
  return {
    level: 'executor',
    name: 'container',
    health: !usable ? 'unusable' : criu.directory === undefined ? 'degraded' : 'healthy',
    description: !usable
      ? `No containers here: ${runc.reason}.`
      : `runc ${runc.version}; ${criu.directory === undefined ? `no checkpoints of running processes: ${criu.reason}` : `CRIU ${criu.version}`}.`,
    findings,
  };
}

/** Images name the build of the init that they were taken with; each build that was ever used here is kept. */
async function initBuilds(place: Place): Promise<string> {
  const entries = await place.host.files.list(place.layout.bin);
  return entries
    .map(entry => entry.name)
    .filter(name => /^[0-9a-f]{16}$/.test(name))
    .sort()
    .join(',');
}

function rootless(place: Place): Finding {
  return {
    key: 'rootless',
    value: 'yes',
    reason: `the service runs as user ${place.host.uid}: user namespaces, no cgroups, no CRIU, no link to the host's network`,
    remedy: 'Run the service as root for all of it.',
  };
}

function freezing(place: Place): Finding {
  const freezer = place.cgroups.places.get('freezer');
  if (freezer) return { key: 'freeze', value: `cgroup v${freezer.version}` };
  return {
    key: 'freeze',
    value: 'SIGSTOP by the init',
    reason: place.cgroups.reason ?? 'there is no cgroup freezer',
    remedy: place.cgroups.remedy ?? 'Run the service as root.',
    removes: [criuTag],
  };
}

function apparmor(): Finding {
  return {
    key: 'apparmor',
    value: 'no',
    reason: 'no profile is applied; seccomp, capabilities and masked paths are',
  };
}
