import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import type { Place } from './place.js';

/** What the executor `process` can do on its host, from what was tried when it was made. */
export function fingerprintPlace(place: Place): Fingerprint {
  const findings: readonly Finding[] = [
    ...place.namespaces.findings,
    ...place.disk.findings,
    freezing(place),
    limits(place),
  ];
  const bare = place.namespaces.kinds.size === 0;
  const kinds = [...place.namespaces.kinds].sort().join(', ');
  return {
    level: 'executor',
    name: 'process',
    health: bare ? 'degraded' : 'healthy',
    description: bare
      ? `Tasks run without isolation; writable layers by ${place.disk.strategy}.`
      : `Namespaces: ${kinds}; writable layers by ${place.disk.strategy}.`,
    findings,
  };
}

function freezing(place: Place): Finding {
  const freezer = place.cgroups.places.get('freezer');
  if (freezer) return { key: 'freeze', value: `cgroup v${freezer.version}` };
  const why = place.cgroups.reason === undefined ? {} : { reason: place.cgroups.reason };
  return { key: 'freeze', value: 'SIGSTOP by the init', ...why };
}

function limits(place: Place): Finding {
  const value = place.cgroups.writable.filter(name => name !== 'freezer').join(',') || 'no';
  const { reason, remedy } = place.cgroups;
  return {
    key: 'limits',
    value,
    ...(reason === undefined ? {} : { reason, remedy: remedy ?? 'Run the service as root.' }),
  };
}
