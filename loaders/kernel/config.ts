/** Settings of the loader `kernel`; all have defaults. */
export interface KernelConfig {
  /** Absolute path of a kernel (`bzImage`) on the host. Default: the newest of the cache, then of the host. */
  readonly image?: string;
  /** Directory of its modules, with `kernel/…/*.ko` below it. */
  readonly modules?: string;
  /** Further modules that guests need, by name. */
  readonly extraModules?: readonly string[];
  /** Text put at the end of the kernel's command line. */
  readonly append?: string;
}

/** JSON Schema of {@link KernelConfig}. */
export const kernelConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    image: { type: 'string', pattern: '^/' },
    modules: { type: 'string', pattern: '^/' },
    extraModules: { type: 'array', items: { type: 'string', pattern: '^[a-zA-Z0-9_-]{1,64}$' } },
    append: { type: 'string', maxLength: 512, pattern: '^[ -~]*$' },
  },
} as const;
