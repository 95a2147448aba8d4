/** How to reach one machine by SSH: what the configuration says of it. What is absent comes from `~/.ssh/config`, then from OpenSSH's defaults. */
export interface SshTarget {
  /** A name or an address, or a name of `~/.ssh/config`. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port?: number;
  readonly user?: string;
  /** Private keys, absolute or from `~/`. A certificate `KEY-cert.pub` beside one is not used. */
  readonly identityFiles?: readonly string[];
  /** Socket of an agent; false: none. Default: `SSH_AUTH_SOCK`. */
  readonly agent?: string | false;
  /** File of known hosts. Default: `~/.ssh/known_hosts`, then `/etc/ssh/ssh_known_hosts`. */
  readonly knownHosts?: string;
  /** The only host key that is accepted: `SHA256:` and 43 characters, as `ssh-keygen -lf` prints it. Known hosts are not asked then. */
  readonly hostKey?: string;
  /** Takes the key of a host that is not known at all, for this run of the service. Never a changed one. Default: false. */
  readonly trustUnknown?: boolean;
  /** The file to take names from; false: none. Default: `~/.ssh/config`. */
  readonly configFile?: string | false;
  /** Machines to go through, in this order. */
  readonly jump?: readonly SshTarget[];
}

/** What the environment `ssh` is configured with. */
export interface SshConfig extends SshTarget {
  /** Where the port layer keeps its things there: absolute, at most 47 bytes. Default: `/var/lib/portlayer-ssh` for root, `~/.portlayer` for others. */
  readonly stateDirectory?: string;
  /** How long one attempt to connect may take, in milliseconds. Default: 10,000. */
  readonly connectMs?: number;
  /** After so long without a word from the other side it is asked; the third unanswered question is a cut. Milliseconds. Default: 5,000. */
  readonly keepAliveMs?: number;
  /** How long a link may be down before operations do not wait for it but fail, in milliseconds. Default: 10,000. */
  readonly patienceMs?: number;
  /** Commands at a time; a server allows 10 channels unless told otherwise (MaxSessions), and two are ours. Default: 8. */
  readonly commandsAtOnce?: number;
}

const text = { type: 'string', minLength: 1 } as const;
const milliseconds = { type: 'integer', minimum: 100, maximum: 3_600_000 } as const;

const targetProperties = {
  host: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[^\\s-][^\\s]*$' },
  port: { type: 'integer', minimum: 1, maximum: 65_535 },
  user: { type: 'string', pattern: '^[A-Za-z0-9_][A-Za-z0-9_.@-]*$' },
  identityFiles: { type: 'array', items: text },
  agent: { oneOf: [text, { const: false }] },
  knownHosts: text,
  hostKey: { type: 'string', pattern: '^SHA256:[A-Za-z0-9+/]{43}$' },
  trustUnknown: { type: 'boolean' },
  configFile: { oneOf: [text, { const: false }] },
} as const;

const jumpSchema = {
  type: 'array',
  maxItems: 8,
  items: { type: 'object', properties: targetProperties, required: ['host'], additionalProperties: false },
} as const;

/** JSON Schema of {@link SshConfig}. */
export const sshConfigSchema = {
  type: 'object',
  properties: {
    ...targetProperties,
    jump: jumpSchema,
    stateDirectory: { type: 'string', pattern: '^/[^\\0\\n]{1,46}$' },
    connectMs: milliseconds,
    keepAliveMs: milliseconds,
    patienceMs: milliseconds,
    commandsAtOnce: { type: 'integer', minimum: 1, maximum: 1000 },
  },
  required: ['host'],
  additionalProperties: false,
} as const;
