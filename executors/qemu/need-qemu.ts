import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Place, QemuFound } from './place.js';

/** What brings QEMU to a Debian host. */
export const QEMU_REMEDY =
  'Run as root: sh test/setup/parts/qemu.sh, or: apt-get install qemu-system-x86 qemu-utils';

/** QEMU, where there is one. Throws EXECUTOR_UNAVAILABLE. */
export function needQemu(place: Place): Extract<QemuFound, { program: string }> {
  if (place.qemu.program !== undefined) return place.qemu;
  throw new PortLayerError('EXECUTOR_UNAVAILABLE', 'There is no QEMU to use on this host.', {
    required: 'qemu-system-x86_64 and qemu-img, 7.2 or newer',
    found: place.qemu.reason,
    remedy: QEMU_REMEDY,
    facts: { level: 'executor', name: 'qemu' },
  });
}
