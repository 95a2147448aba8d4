/** Where credentials come from; exactly one. Never a value in the configuration itself. */
export type CredentialSource =
  /** A file of two lines, user and password, that only its owner may read. */
  | { readonly file: string }
  /** Names of two environment variables of the service. */
  | { readonly userVariable: string; readonly passwordVariable: string }
  /** A command that prints user and password, a line each. */
  | { readonly command: readonly string[] };

/** Settings of an environment of kind `vsphere`. */
export interface VsphereEnvironmentConfig {
  /** The vCenter: `host` or `host:port`. */
  readonly server: string;
  /** Path of a PEM file with the CA of the vCenter's certificate. Absent: what Node trusts. */
  readonly ca?: string;
  readonly credentials: CredentialSource;
}

/** JSON Schema of {@link VsphereEnvironmentConfig}. */
export const environmentConfigSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['server', 'credentials'],
  properties: {
    server: { type: 'string', pattern: '^[A-Za-z0-9.:\\[\\]-]{1,255}$' },
    ca: { type: 'string', pattern: '^/' },
    credentials: {
      type: 'object',
      oneOf: [
        {
          additionalProperties: false,
          required: ['file'],
          properties: { file: { type: 'string', pattern: '^/' } },
        },
        {
          additionalProperties: false,
          required: ['userVariable', 'passwordVariable'],
          properties: { userVariable: { type: 'string' }, passwordVariable: { type: 'string' } },
        },
        {
          additionalProperties: false,
          required: ['command'],
          properties: { command: { type: 'array', minItems: 1, items: { type: 'string' } } },
        },
      ],
    },
  },
} as const;

/** Settings of the executor `vsphere`, for each environment. */
export interface VsphereConfig {
  /** The virtual machine that containers are cloned from, by its path below the datacenter's `vm` folder. */
  readonly template?: string;
  /** The datacenter's inventory path. Default `DC0`'s like: the only one there is. */
  readonly datacenter?: string;
  /** The folder for everything that is made, below the datacenter's `vm` folder; it belongs to one service. Default: that folder itself. */
  readonly folder?: string;
  /** Inventory path of the resource pool below the datacenter's `host` folder. Default: the template's. */
  readonly pool?: string;
  /** Directory for logs on a datastore: `[datastore] path`. Default `portlayer` on the template's. */
  readonly logs?: string;
  /**
   * What an Instant Clone is made of. `running` (default): a copy of the container, which runs on. `frozen`: the
   * container's own machine, which stays frozen for good; the container goes on in a clone of it.
   */
  readonly source?: 'running' | 'frozen';
  /** How many Instant Clones are asked for at once. Default 8. */
  readonly clonesAtOnce?: number;
  /** How long a boot may take until the init answers, in milliseconds. Default 120,000. */
  readonly bootMs?: number;
  /** How long a clone may take until it has its identity, in milliseconds. Default 60,000. */
  readonly restoreMs?: number;
  /** How long a guest may take until it has frozen itself, in milliseconds. Default 30,000. */
  readonly freezeMs?: number;
  /** How long one task of the vCenter may take, in milliseconds. Default 300,000. */
  readonly taskMs?: number;
}

/** JSON Schema of {@link VsphereConfig}. */
export const vsphereConfigSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    template: { type: 'string', minLength: 1 },
    datacenter: { type: 'string', minLength: 1 },
    folder: { type: 'string' },
    pool: { type: 'string', minLength: 1 },
    logs: { type: 'string', pattern: '^\\[[^\\]]+\\] [^/].*$' },
    source: { enum: ['running', 'frozen'], default: 'running' },
    clonesAtOnce: { type: 'integer', minimum: 1, maximum: 64, default: 8 },
    bootMs: { type: 'integer', minimum: 100, default: 120000 },
    restoreMs: { type: 'integer', minimum: 100, default: 60000 },
    freezeMs: { type: 'integer', minimum: 100, default: 30000 },
    taskMs: { type: 'integer', minimum: 100, default: 300000 },
  },
} as const;

/** The configuration with its defaults. */
export type FullVsphereConfig = VsphereConfig &
  Required<Pick<VsphereConfig, 'source' | 'clonesAtOnce' | 'bootMs' | 'restoreMs' | 'freezeMs' | 'taskMs'>>;
