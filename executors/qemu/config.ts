/** Settings of the executor `qemu`; all have defaults. */
export interface QemuConfig {
  /** The emulator: a path, or a name looked for in the usual directories. Default `qemu-system-x86_64`. */
  readonly program?: string;
  /** How guests run. Default `auto`: KVM where a trial shows that a guest boots under it, else TCG. */
  readonly accelerator?: 'auto' | 'kvm' | 'tcg';
  /** Who QEMU runs as where the service is root. Default 65534 and 65534, `nobody`; 0 and 0 is root. */
  readonly user?: { readonly uid: number; readonly gid: number };
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
      },
      default: { uid: 65534, gid: 65534 },
    },
    bootMs: { type: 'integer', minimum: 100, default: 20000 },
    bootTries: { type: 'integer', minimum: 1, maximum: 20, default: 3 },
    restoreMs: { type: 'integer', minimum: 100, default: 30000 },
    quiesceMs: { type: 'integer', minimum: 1, default: 5000 },
    dumpMs: { type: 'integer', minimum: 100, default: 300000 },
  },
} as const;

/** The configuration with nothing left out. */
export type FullQemuConfig = Required<Omit<QemuConfig, 'program'>> & Pick<QemuConfig, 'program'>;
