import { checkAgainst } from '../model/schema-check.js';

/** How many checkpoints of one container are kept; beyond that the oldest are removed, but for pinned and published ones and the newest. */
export interface Retention {
  /** 0: no limit. */
  readonly count: number;
  /** 0: no limit. */
  readonly maxAgeMs: number;
  /** Bytes that they added to the store, together; 0: no limit. */
  readonly bytes: number;
}

/** What the configuration says of the image store, in its member `store`. */
export interface StorePolicy {
  /** Copies on disk of what committed images hold (dumps and layers) may take so much; the newest are kept. */
  readonly cacheBytes: number;
  /** Bytes a second at most for write-back and for checks in the background; 0: no limit. */
  readonly bytesPerSecond: number;
  /** Where dumps are made and captured. Absolute; default: in the state directory. */
  readonly stagingDirectory?: string;
  /** Beyond these a new checkpoint is refused with QUOTA_EXCEEDED; 0: no limit. */
  readonly quota: {
    readonly bytes: number;
    readonly containerBytes: number;
    readonly containerCount: number;
  };
  readonly retention: Retention;
  /** Every so often one committed checkpoint, chosen by chance, is verified; 0: none. */
  readonly verifyEveryMs: number;
}

const bytes = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 } as const;

const storeSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    cacheBytes: { ...bytes, default: 2 ** 30 },
    bytesPerSecond: bytes,
    stagingDirectory: { type: 'string', pattern: '^/[^\\u0000]{0,4094}$' },
    quota: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { bytes, containerBytes: bytes, containerCount: bytes },
    },
    retention: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { count: bytes, maxAgeMs: bytes, bytes },
    },
    verifyEveryMs: { ...bytes, default: 0 },
  },
} as const;

/** The policy of a configuration's member `store`, its defaults filled in. Throws INVALID_SPEC naming the field. */
export function storePolicy(config: unknown = {}): StorePolicy {
  return checkAgainst<StorePolicy>('store configuration', storeSchema, config);
}
