/** How the writable layer is kept apart from what is below it. */
export const DISK_STRATEGIES = ['overlay', 'reflink', 'copy'] as const;

/** One of {@link DISK_STRATEGIES}. */
export type DiskStrategy = (typeof DISK_STRATEGIES)[number];

/** Settings of the executor `process`; an absent one is found out by trial. */
export interface ProcessConfig {
  /** Forces a strategy for the writable layer. Default: the first that works of overlay, reflink, copy. */
  readonly disk?: DiskStrategy;
  /** `none`: no namespaces even where they are to be had. Default `auto`. */
  readonly namespaces?: 'auto' | 'none';
  /** Leave the task docker's default capabilities only. Default true. */
  readonly dropCapabilities?: boolean;
}

/** JSON Schema of {@link ProcessConfig}. */
export const processConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    disk: { enum: DISK_STRATEGIES },
    namespaces: { enum: ['auto', 'none'], default: 'auto' },
    dropCapabilities: { type: 'boolean', default: true },
  },
} as const;
