/** Settings of the executor `qemu`; all have defaults. */
export interface QemuConfig {
  /** The emulator: a path, or a name looked for in the usual directories. Default `qemu-system-x86_64`. */
  readonly program?: string;
  /** How guests run. Default `auto`: KVM where a trial shows that a guest boots under it, else TCG. */
  readonly accelerator?: 'auto' | 'kvm' | 'tcg';
  /**
   * Who QEMU runs as where the service is root: each machine as another of `count` users from `uid` on, so that a QEMU
   * that was taken over can reach no other's files. Default 65,536 users from 1,900,000,000, which no distribution gives
   * to anybody, with the group 65534; a uid of 0 is root.
   */
  readonly user?: { readonly uid: number; readonly gid: number; readonly count?: number };
  /** How long a boot may take until the init answers, in milliseconds; then it is tried again. Default 20,000. */
  readonly bootMs?: number;
  /** How often a boot that hangs is tried. Default 3. */
  readonly bootTries?: number;
  /** How long a copy may take until it has its identity, in milliseconds. Default 30,000. */
  readonly restoreMs?: number;
  /** How long the guest may take to bring its file system to rest, in milliseconds. Default 5,000. */
  readonly quiesceMs?: number;
  /** How long a dump may take, in milliseconds. Default 300,000. */
  readonly dumpMs?: number;
  /** How many copies of an image are kept ready where its container's `executorOptions.standby` says nothing. Default 0. */
  readonly standby?: number;
  /** How many copies are kept ready of all images together; those of the image used longest ago are ended first. Default 16. */
  readonly standbyMax?: number;
}

/** JSON Schema of {@link QemuConfig}. */
export const qemuConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    program: { type: 'string', minLength: 1 },
    accelerator: { enum: ['auto', 'kvm', 'tcg'], default: 'auto' },
    user: {
      type: 'object',
      additionalProperties: false,
      required: ['uid', 'gid'],
      properties: {
        uid: { type: 'integer', minimum: 0, maximum: 4294967294 },
        gid: { type: 'integer', minimum: 0, maximum: 4294967294 },
        count: { type: 'integer', minimum: 1, maximum: 16777216, default: 1 },
      },
      default: { uid: 1900000000, gid: 65534, count: 65536 },
    },
    bootMs: { type: 'integer', minimum: 100, default: 20000 },
    bootTries: { type: 'integer', minimum: 1, maximum: 20, default: 3 },
    restoreMs: { type: 'integer', minimum: 100, default: 30000 },
    quiesceMs: { type: 'integer', minimum: 1, default: 5000 },
    dumpMs: { type: 'integer', minimum: 100, default: 300000 },
    standby: { type: 'integer', minimum: 0, maximum: 64, default: 0 },
    standbyMax: { type: 'integer', minimum: 0, maximum: 1024, default: 16 },
  },
} as const;

/** The configuration with nothing left out. */
export type FullQemuConfig = Required<Omit<QemuConfig, 'program' | 'user'>> &
  Pick<QemuConfig, 'program'> & { readonly user: Required<NonNullable<QemuConfig['user']>> };
