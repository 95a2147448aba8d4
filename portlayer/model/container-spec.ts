import { NAME_PATTERN } from './ids.js';
import type { MemoSpec } from './memo-spec.js';
import { checkAgainst } from './schema-check.js';
import type { SecretSpec } from './secret-spec.js';

/** The program and its conventions: the task level. */
export interface TaskSpec {
  /** The command; the first element is looked up in the container's PATH. At least one element. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Working directory inside. Default: `/` with a root file system of its own, else the state directory. */
  readonly cwd?: string;
  /** Numeric user and group inside. Default: 0 and 0 (rootless: whoever runs the service). */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Present: the task checkpoints itself by exit code. */
  readonly exitCode?: ExitCodeSpec;
}

/** The exit-code convention of a task. Source: HTCondor's self-checkpointing jobs. */
export interface ExitCodeSpec {
  /** Exit X: "my state is recorded, run me again". 1 to 255, default 85. */
  readonly checkpoint: number;
  /** Exit Y: "I am done". 0 to 255, default 0. */
  readonly complete: number;
  /** The signal by which the host asks for a checkpoint. Default SIGUSR2. */
  readonly signal: string;
  /** How long the task may take from that signal to exit X, in milliseconds. Default 30,000. */
  readonly signalTimeoutMs: number;
  /** The progress guard: how often the task may exit X before the loop is stopped. Default 100,000. */
  readonly maxIterations: number;
  /** The progress guard: how long the loop may take, in milliseconds; 0 is no limit. Default 0. */
  readonly maxDurationMs: number;
}

/** A host directory or file made visible inside. Not part of a checkpoint. */
export interface VolumeSpec {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Limits. An absent one is no limit. */
export interface ResourceSpec {
  /** CPUs, as a number with a fraction: 0.5 is half of one. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}

/** Which of the guest's own triggers are let through. */
export interface TriggerPolicy {
  readonly allow: boolean;
  /** Mechanisms the guest may name; empty is all. */
  readonly mechanisms: readonly string[];
  /** Triggers per minute, beyond which they are refused as RATE_LIMITED. Default 600. */
  readonly perMinute: number;
  /** At so many kept checkpoints of the container its triggers are refused as QUOTA_EXCEEDED; 0 is no quota. Default 0. */
  readonly maxCheckpoints?: number;
  /** The same for what they added to the store. Default 0. */
  readonly maxBytes?: number;
}

/** A container as its caller wants it. Immutable but for labels, resources and the trigger policy. */
export interface ContainerSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly environment: string;
  readonly executor: string;
  readonly loader: string;
  readonly task: TaskSpec;
  /** An absolute directory on the environment's host; absent: the host's own root, read-only, with a state directory. */
  readonly rootfs?: string;
  readonly hostname?: string;
  readonly volumes: readonly VolumeSpec[];
  readonly resources: ResourceSpec;
  /** `host`: the host's network. `none`: a network of its own with loopback only. Default: the executor's. */
  readonly network: 'host' | 'none';
  readonly log: { readonly maxBytes: number; readonly maxFiles: number };
  readonly trigger: TriggerPolicy;
  /** Values that are injected at each start and restore; absent in specs of before there were any. */
  readonly secrets?: readonly SecretSpec[];
  /** Present: its first start is looked for among what was captured before. */
  readonly memo?: MemoSpec;
  /** Settings of the executor's own, checked against its schema. */
  readonly executorOptions: Readonly<Record<string, unknown>>;
}

const labels = {
  type: 'object',
  maxProperties: 64,
  propertyNames: { type: 'string', pattern: '^[a-zA-Z0-9][a-zA-Z0-9_./-]{0,62}$' },
  additionalProperties: { type: 'string', maxLength: 255 },
} as const;

const absolutePath = { type: 'string', pattern: '^/[^\\u0000]{0,4094}$' } as const;

/** JSON Schema of a set of labels: keys of 1 to 63 characters, values of at most 255, at most 64 of them. */
export const labelsSchema = labels;

/** JSON Schema of {@link ContainerSpec}; its defaults are what {@link compileContainerSpec} fills in. */
export const containerSpecSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'task'],
  properties: {
    name: { type: 'string', pattern: NAME_PATTERN },
    labels: { ...labels, default: {} },
    environment: { type: 'string', pattern: NAME_PATTERN, default: 'local' },
    executor: { type: 'string', pattern: NAME_PATTERN, default: 'process' },
    loader: { type: 'string', pattern: NAME_PATTERN, default: 'init' },
    task: {
      type: 'object',
      additionalProperties: false,
      required: ['argv'],
      properties: {
        argv: {
          type: 'array',
          minItems: 1,
          maxItems: 1024,
          items: { type: 'string', maxLength: 65536, pattern: '^[^\\u0000]*$' },
        },
        env: {
          type: 'object',
          maxProperties: 1024,
          propertyNames: { type: 'string', pattern: '^[^=\\u0000]{1,255}$' },
          additionalProperties: { type: 'string', maxLength: 65536, pattern: '^[^\\u0000]*$' },
          default: {},
        },
        cwd: absolutePath,
        user: {
          type: 'object',
          additionalProperties: false,
          required: ['uid', 'gid'],
          properties: {
            uid: { type: 'integer', minimum: 0, maximum: 4294967294 },
            gid: { type: 'integer', minimum: 0, maximum: 4294967294 },
          },
        },
        exitCode: {
          type: 'object',
          additionalProperties: false,
          properties: {
            checkpoint: { type: 'integer', minimum: 1, maximum: 255, default: 85 },
            complete: { type: 'integer', minimum: 0, maximum: 255, default: 0 },
            signal: { type: 'string', pattern: '^SIG[A-Z0-9]{2,10}$', default: 'SIGUSR2' },
            signalTimeoutMs: { type: 'integer', minimum: 1, maximum: 86400000, default: 30000 },
            maxIterations: { type: 'integer', minimum: 1, maximum: 1000000000, default: 100000 },
            maxDurationMs: { type: 'integer', minimum: 0, maximum: 31536000000, default: 0 },
          },
        },
      },
    },
    rootfs: absolutePath,
    hostname: { type: 'string', pattern: '^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62})$' },
    volumes: {
      type: 'array',
      maxItems: 256,
      default: [],
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['source', 'target'],
        properties: {
          source: absolutePath,
          target: absolutePath,
          readOnly: { type: 'boolean', default: false },
        },
      },
    },
    resources: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        cpus: { type: 'number', minimum: 0.01, maximum: 4096 },
        memoryBytes: { type: 'integer', minimum: 4194304, maximum: 9007199254740991 },
        pids: { type: 'integer', minimum: 1, maximum: 4194304 },
      },
    },
    network: { enum: ['host', 'none'], default: 'host' },
    log: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        maxBytes: { type: 'integer', minimum: 65536, maximum: 1099511627776, default: 16777216 },
        maxFiles: { type: 'integer', minimum: 1, maximum: 100, default: 3 },
      },
    },
    trigger: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        allow: { type: 'boolean', default: true },
        mechanisms: {
          type: 'array',
          maxItems: 16,
          items: { type: 'string', pattern: NAME_PATTERN },
          default: [],
        },
        perMinute: { type: 'integer', minimum: 1, maximum: 1000000, default: 600 },
        maxCheckpoints: { type: 'integer', minimum: 0, maximum: 1000000 },
        maxBytes: { type: 'integer', minimum: 0, maximum: 9007199254740991 },
      },
    },
    secrets: {
      type: 'array',
      maxItems: 64,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'source'],
        properties: {
          name: { type: 'string', pattern: NAME_PATTERN },
          source: absolutePath,
          env: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]{0,254}$' },
          target: absolutePath,
        },
      },
    },
    memo: {
      type: 'object',
      additionalProperties: false,
      properties: {
        enabled: { type: 'boolean', default: true },
        inputs: { type: 'array', maxItems: 64, items: absolutePath, default: [] },
        ignoreEnv: { type: 'array', maxItems: 1024, items: { type: 'string', maxLength: 255 }, default: [] },
        ttlMs: { type: 'integer', minimum: 1, maximum: 31536000000, default: 604800000 },
      },
    },
    executorOptions: { type: 'object', default: {} },
  },
} as const;

/** What a caller may leave out is filled in; the result is checked. Throws INVALID_SPEC naming the field. */
export function compileContainerSpec(partial: unknown): ContainerSpec {
  return checkAgainst<ContainerSpec>('container spec', containerSpecSchema, partial);
}
