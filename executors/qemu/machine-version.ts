/**
 * The machine with its version, which stands for what its devices look like to a guest: an image is only taken by the
 * same. A microvm has no versions: QEMU's own stands for it.
 */
export function machineVersion(machine: string, qemuVersion: string): string {
  const [major = '', minor = ''] = qemuVersion.split('.');
  return machine === 'q35' ? `pc-q35-${major}.${minor}` : `microvm@${qemuVersion}`;
}

/** What QEMU is told. */
export function machineArgument(machine: string, qemuVersion: string): string {
  return machine === 'q35' ? machineVersion(machine, qemuVersion) : 'microvm';
}
