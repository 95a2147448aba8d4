import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import { machineVersion } from './machine-version.js';
import { QEMU_REMEDY } from './need-qemu.js';
import type { Place } from './place.js';

/** What the executor `qemu` can do on its host. */
export async function fingerprintPlace(place: Place, tags: readonly string[]): Promise<Fingerprint> {
  const shape = { level: 'executor', name: 'qemu' } as const;
  const { qemu } = place;
  if (qemu.program === undefined) {
    const finding = { key: 'qemu', value: 'no', reason: qemu.reason, remedy: QEMU_REMEDY, removes: tags };
    return { ...shape, health: 'unusable', description: 'There is no QEMU to use.', findings: [finding] };
  }
  const accelerator = await place.accelerator();
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
    { key: 'user', value: String(place.user?.uid ?? place.host.uid) },
    {
      key: 'sandbox',
      value: qemu.sandbox ? 'yes' : 'no',
      ...(qemu.sandbox ? {} : { reason: 'QEMU was built without seccomp' }),
    },
  ];
  const how = accelerator.name === 'kvm' ? 'KVM' : 'TCG, by translation';
  return { ...shape, health: 'healthy', description: `QEMU ${qemu.version} with ${how}.`, findings };
}
