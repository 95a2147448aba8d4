/** Paths as the container sees them. */
export const inside = {
  /** The relay's directory. */
  relay: '/run/portlayer',
  /** The init and the guest tool. */
  bin: '/run/portlayer/bin',
  /** A directory of the task's own. */
  state: '/state',
} as const;

/** Files of the container's own that are bound over those of its root file system. */
export const ownFiles = ['hostname', 'hosts', 'resolv.conf', 'machine-id'] as const;

/** Directories of every container. */
export const skeletonDirectories = [
  'proc',
  'sys',
  'dev',
  'tmp',
  'etc',
  'run/portlayer/bin',
  'state',
  'root',
] as const;
