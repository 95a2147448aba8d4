/** Docker's default capabilities. Source: docker run(1), "Runtime privilege and Linux capabilities". */
export const defaultCapabilities = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
] as const;

/** Paths that are covered, as docker covers them: they tell of the host or reach its hardware. */
export const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
] as const;

/** Paths that are read-only, as with docker. */
export const readonlyPaths = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
] as const;

/** One entry of `mounts` in an OCI runtime configuration. */
export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * The file systems every container has, as with docker but for /sys/fs/cgroup: after a restore that would show the
 * host's own groups (the mount of a cgroup namespace is not put back as it was).
 */
export const systemMounts: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
];

/**
 * The same in a user namespace: no group but its root's is mapped there for the terminals, and a sysfs can only be had
 * with a network of that namespace; else the host's is bound.
 */
export function rootlessMounts(network: 'host' | 'none'): readonly Mount[] {
  return systemMounts.map(mount => {
    if (mount.type === 'devpts')
      return { ...mount, options: mount.options.filter(option => option !== 'gid=5') };
    if (mount.type !== 'sysfs' || network === 'none') return mount;
    const options = ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'];
    return { destination: '/sys', type: 'bind', source: '/sys', options };
  });
}
