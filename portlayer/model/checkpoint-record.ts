import type { Constraint } from './constraint.js';
import type { ContainerSpec } from './container-spec.js';
import type { Level } from './level.js';

/** Where a checkpoint is in its life; the transitions are in `lifecycle/checkpoint-states.ts`. */
export const CHECKPOINT_STATES = [
  /** Authorised and planned; has its CRID. */
  'requested',
  /** The guest is being brought to a consistent point. */
  'quiescing',
  /** Execution is frozen as briefly as the mechanism allows; its state is being written. */
  'dumping',
  /** Usable at once on this host, not yet durable. The original already runs on. */
  'captured',
  /** Being made durable. */
  'committing',
  /** Durable. Never lost from here on. */
  'committed',
  /** Nothing was kept; `failure` says in which phase and why. The container runs on. */
  'failed',
  /** Gone; the record stays only until its events are told. */
  'removed',
] as const;

/** One of {@link CHECKPOINT_STATES}. */
export type CheckpointState = (typeof CHECKPOINT_STATES)[number];

/** Who asked. */
export type TriggerSource = 'guest' | 'exit-code' | 'api' | 'schedule';

/** How long each phase took, in milliseconds; a phase that a mechanism does not have is absent. */
export interface PhaseTimes {
  readonly quiesceMs?: number;
  readonly precopyMs?: number;
  readonly frozenMs?: number;
  readonly dumpMs?: number;
  readonly commitMs?: number;
}

/** Why and where a checkpoint failed. */
export interface CheckpointFailure {
  readonly phase: CheckpointState;
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/** The image: what a dump wrote, as the store and the executor keep it. */
export interface ImageFacts {
  /** Bytes that this checkpoint added. */
  readonly bytes: number;
  /** Files and directories of the frozen writable layer. */
  readonly entries: number;
  /** `sha256:` and 64 hex digits over the frozen writable layer's names, modes and contents. */
  readonly digest: string;
  /** The layers that a restore stacks, oldest first; the last is this checkpoint's own A′. */
  readonly layers: readonly string[];
  /** Files of the mechanism's own dump in the image's directory, with their sizes; filled in by the commit. */
  readonly files: Readonly<Record<string, { readonly bytes: number }>>;
  /** Bytes that it added to the store; filled in by the commit. */
  readonly storedBytes?: number;
  /** Other images whose data it points into; filled in by the commit. */
  readonly sources?: readonly string[];
  /** True where the image holds its layers too, so that they may be removed and brought back. */
  readonly holdsLayers?: boolean;
}

/** Everything the port layer knows of one checkpoint: what is listed, and what its manifest holds. */
export interface CheckpointRecord {
  /** CRID: a ULID. */
  readonly crid: string;
  /** A small number, unique on this service: the value a guest's signal is answered with. 1 to 2^31 - 1. */
  readonly ordinal: number;
  readonly state: CheckpointState;
  readonly mechanism: string;
  readonly level: Level;
  readonly source: TriggerSource;
  /** The container it was taken of, by name and uid; the container may be gone. */
  readonly container: string;
  readonly containerUid: string;
  /** The spec the container had: what a restore starts from. */
  readonly spec: ContainerSpec;
  /** The checkpoint before it in the same container, or the one its container was restored from. */
  readonly parent?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `name:tag`; present on a published one, which then carries the tag `parent`. */
  readonly published?: string;
  /** True: neither retention nor a removal without force takes it. */
  readonly pinned?: boolean;
  /** When it was last found whole: its image byte by byte, or a copy that was started from it. */
  readonly verified?: { readonly atMs: number; readonly by: 'image' | 'restore' };
  /** Present where it was found damaged: nothing is restored from it. */
  readonly quarantined?: { readonly atMs: number; readonly code: string; readonly reason: string };
  /** Present on a published one whose name may not be taken back or moved, but by force. */
  readonly immutable?: true;
  /** Present on the entry of a memoized start. */
  readonly memo?: {
    readonly key: string;
    /** What the key was made of, each as a digest. */
    readonly parts: Readonly<Record<string, string>>;
    readonly ttlMs: number;
  };
  readonly constraints: readonly Constraint[];
  readonly phases: PhaseTimes;
  /** Present from `captured` on. */
  readonly image?: ImageFacts;
  /** For `exit-code`: how many iterations had ended when it was taken. */
  readonly iteration?: number;
  readonly createdAtMs: number;
  readonly committedAtMs?: number;
  readonly failure?: CheckpointFailure;
}

/** True where the checkpoint can be restored and forked. */
export function isUsable(record: CheckpointRecord): boolean {
  return record.state === 'captured' || record.state === 'committing' || record.state === 'committed';
}
