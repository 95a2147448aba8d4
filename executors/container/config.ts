/** Settings of the executor `container`; an absent one is found out. */
export interface ContainerConfig {
  /** Absolute path of runc. Default: the first in the usual places. */
  readonly runc?: string;
  /** Absolute path of a directory that holds a `criu` (4.2 or newer on Linux 6.18). Default: the usual places. */
  readonly criuDirectory?: string;
  /** How long a freeze, with the wait for it, may take before a checkpoint is given up, in milliseconds. Default 10,000. */
  readonly quiesceMs?: number;
  /** How long runc and CRIU may take for one restore before it is ended and swept, in milliseconds. Default 60,000. */
  readonly restoreMs?: number;
  /** How long runc and CRIU may take for one dump before it is ended and the container thawed, in milliseconds. Default 300,000. */
  readonly dumpMs?: number;
}

const directory = { type: 'string', pattern: '^/[^\\u0000:]{0,4094}$' } as const;

/** JSON Schema of {@link ContainerConfig}. */
export const containerConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    runc: directory,
    criuDirectory: directory,
    quiesceMs: { type: 'integer', minimum: 100, maximum: 3600000 },
    restoreMs: { type: 'integer', minimum: 100, maximum: 3600000 },
    dumpMs: { type: 'integer', minimum: 100, maximum: 86400000 },
  },
} as const;
