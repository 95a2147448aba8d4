import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import type { Containers } from './containers.js';
import { machineVersion } from './machine-version.js';
import { QEMU_REMEDY } from './need-qemu.js';
import type { Place } from './place.js';
import { findSilent } from './silence.js';

/** What the executor `qemu` can do on its host. */
export async function fingerprintPlace(
  place: Place,
  containers: Containers,
  tags: readonly string[],
): Promise<Fingerprint> {
  const shape = { level: 'executor', name: 'qemu' } as const;
  const { qemu } = place;
  if (qemu.program === undefined) {
    const finding = { key: 'qemu', value: 'no', reason: qemu.reason, remedy: QEMU_REMEDY, removes: tags };
    return { ...shape, health: 'unusable', description: 'There is no QEMU to use.', findings: [finding] };
  }
  const [accelerator, offered] = await Promise.all([place.accelerator(), place.offered()]);
  const findings: Finding[] = [
    { key: 'qemu', value: qemu.version },
    accelerator.finding,
    {
      key: 'machines',
      value: ['q35', 'microvm']
        .map(name => machineVersion(name, qemu.version))
        .sort()
        .join(','),
    },
    { key: 'cpu-models', value: offered.models.join(',') },
    { key: 'cpu-features', value: offered.features.join(',') },
    { key: 'devices', value: offered.devices.join(',') },
    { key: 'disks', value: 'qcow2,raw' },
    { key: 'user', value: usersOf(place) },
    {
      key: 'sandbox',
      value: qemu.sandbox ? 'yes' : 'no',
      ...(qemu.sandbox ? {} : { reason: 'QEMU was built without seccomp' }),
    },
  ];
  const how = accelerator.name === 'kvm' ? 'KVM' : 'TCG, by translation';
  const description = `QEMU ${qemu.version} with ${how}.`;
  const silent = await findSilent(place, containers);
  if (!silent) return { ...shape, health: 'healthy', description, findings };
  const some = `${description} ${place.silent.size} of its machines do not answer.`;
  return { ...shape, health: 'degraded', description: some, findings: [...findings, silent] };
}

/** One number, or the first and the last of those that machines get one each of. */
function usersOf({ users, host }: Place): string {
  if (!users) return String(host.uid);
  return users.first === users.last ? String(users.first) : `${users.first}-${users.last}`;
}
