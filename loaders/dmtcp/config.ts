/** Settings of the loader `dmtcp`; all have defaults. */
export interface DmtcpConfig {
  /** Where DMTCP was installed: `bin/dmtcp_launch` is below it. Default: PATH, then the usual places. */
  readonly prefix?: string;
  /** How long the processes of a container may take until all of them are suspended, in milliseconds. Default 10,000. */
  readonly quiesceMs?: number;
  /** How long the images may take to be written from then on, in milliseconds. Default 300,000. */
  readonly dumpMs?: number;
  /** How long a restart may take until all its processes run, in milliseconds. Default 60,000. */
  readonly restartMs?: number;
  /** The signal by which DMTCP suspends threads: the task must not use it. 1 to 64, default 61. */
  readonly signal?: number;
}

/** JSON Schema of {@link DmtcpConfig}. */
export const dmtcpConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    prefix: { type: 'string', pattern: '^/[^\\u0000:]{0,4094}$' },
    quiesceMs: { type: 'integer', minimum: 100, maximum: 3600000 },
    dumpMs: { type: 'integer', minimum: 100, maximum: 86400000 },
    restartMs: { type: 'integer', minimum: 100, maximum: 3600000 },
    // SIGKILL and SIGSTOP cannot be caught; 39 to 42 are the relay protocol's.
    signal: { type: 'integer', minimum: 1, maximum: 64, not: { enum: [9, 19, 39, 40, 41, 42] } },
  },
} as const;
