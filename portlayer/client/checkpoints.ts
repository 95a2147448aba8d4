import type { Container, ContainerSpec, TextMap } from './containers.js';
import type { Level, Preserved } from './levels.js';

/** Where a checkpoint is in its life. */
export type CheckpointState =
  | 'requested'
  | 'quiescing'
  | 'dumping'
  | 'captured'
  | 'committing'
  | 'committed'
  | 'failed'
  | 'removed';

/** Who asked for a checkpoint. */
export type TriggerSource = 'guest' | 'exit-code' | 'api' | 'schedule';

/** One thing that a restore requires of its target. */
export interface Constraint {
  readonly level: Level;
  readonly key: string;
  /** equal, at-least, superset or exists. */
  readonly relation: string;
  readonly required: string;
}

/** How long each phase took, in milliseconds; one that the mechanism does not have is absent. */
export interface PhaseTimes {
  readonly quiesceMs?: number;
  readonly precopyMs?: number;
  readonly frozenMs?: number;
  readonly dumpMs?: number;
  readonly commitMs?: number;
}

/** A checkpoint: record and image. */
export interface Checkpoint {
  /** A ULID. */
  readonly crid: string;
  /** The small number by which a guest's signal is answered. */
  readonly ordinal: number;
  readonly state: CheckpointState;
  readonly mechanism: string;
  readonly level: Level;
  readonly source: TriggerSource;
  /** The container it was taken of; it may be gone. */
  readonly container: string;
  readonly spec: ContainerSpec;
  readonly parent?: string;
  readonly labels: TextMap;
  /** `name:tag` where it is published. */
  readonly published?: string;
  /** Its name may not be moved or taken back, but by force. */
  readonly immutable?: boolean;
  /** `parent` where it can be forked like an image. */
  readonly tags: readonly string[];
  readonly constraints: readonly Constraint[];
  readonly phases: PhaseTimes;
  /** What this checkpoint added to the store. */
  readonly bytes: number;
  readonly entries: number;
  readonly digest?: string;
  readonly layers: number;
  readonly iteration: number;
  /** What its commit wrote into the store; what other images hold already is not in it. */
  readonly storedBytes: number;
  /** CRIDs of other images that its image points into. */
  readonly sources: readonly string[];
  readonly pinned: boolean;
  /** When it was last found whole, and by what: `image`, byte by byte, or `restore`, a copy that ran. */
  readonly verifiedAt?: Date;
  readonly verifiedBy?: string;
  /** Why nothing is restored from it any more. */
  readonly quarantined?: string;
  readonly createdAt: Date;
  readonly committedAt?: Date;
  readonly failure?: {
    readonly phase: CheckpointState;
    readonly code: string;
    readonly message: string;
    readonly remedy?: string;
  };
}

/** What a checkpoint must be able to do; what is absent is left to the planner. */
export interface CheckpointNeed {
  /** How much it must keep at least. */
  readonly keep?: Preserved;
  /** `elsewhere`: it must be restorable in another place too. */
  readonly restore?: 'here' | 'elsewhere';
  /** How long the task may stand still; a dump that takes longer is given up. */
  readonly maxPauseMs?: number;
  /** Where the chosen mechanism cannot quiesce the task, the next may be taken, also one that keeps less. */
  readonly fallback?: boolean;
}

/** What is asked of a checkpoint. */
export interface CheckpointOptions {
  /** Absent: the planner chooses. */
  readonly mechanism?: string;
  readonly labels?: TextMap;
  /** How durable it must be before the call ends. Default `committed`. */
  readonly durability?: 'captured' | 'committed';
  readonly stopAfter?: boolean;
  readonly need?: CheckpointNeed;
}

/** A step of a checkpoint's life, or, as the last, the checkpoint. */
export type CheckpointStep =
  | {
      readonly kind: 'progress';
      readonly crid: string;
      readonly state: CheckpointState;
      readonly at: Date;
      /** How much of a large image is written back: in further steps of the state `committing`. */
      readonly written?: { readonly doneBytes: number; readonly totalBytes: number };
    }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint };

/** Which checkpoints to list, one page of them, newest first. */
export interface CheckpointQuery {
  /** 1 to 1,000, default 100. */
  readonly pageSize?: number;
  readonly pageToken?: string;
  /** Any of these; absent is all but `failed` and `removed`. */
  readonly states?: readonly CheckpointState[];
  readonly level?: Level;
  readonly mechanism?: string;
  readonly container?: string;
  readonly parent?: string;
  readonly labels?: TextMap;
  /** Only published ones. */
  readonly published?: boolean;
}

/** One checkpoint in a lineage. */
export interface CheckpointNode {
  readonly checkpoint: Checkpoint;
  /** Index in the same list, -1 for a root. Parents come first. */
  readonly parentIndex: number;
  /** Containers that were restored from it and still exist. */
  readonly containers: readonly string[];
}

/** How a checkpoint is published. */
export interface PublishOptions {
  /** Takes the name from the checkpoint that has it. */
  readonly move?: boolean;
  /** The name may not be moved or taken back afterwards, but by force. */
  readonly immutable?: boolean;
  /** Added to the checkpoint's own. */
  readonly labels?: TextMap;
  /** Also where its image holds secrets, or a name is immutable. */
  readonly force?: boolean;
}

/** What a restore does where its target lacks what a constraint requires: refuse, tell and go on, or not look. */
export type ConstraintPolicy = 'enforce' | 'warn' | 'ignore';

/** One constraint held against a target. */
export interface ConstraintVerdict extends Constraint {
  /** What the target has; empty where it has nothing of the kind. */
  readonly found: string;
  readonly met: boolean;
}

/** A checkpoint held against one environment. */
export interface TargetReport {
  readonly environment: string;
  readonly fits: boolean;
  readonly verdicts: readonly ConstraintVerdict[];
  /** The fewest changes that would make it fit, and which constraints (`level key`) each would meet. */
  readonly changes: readonly { readonly what: string; readonly meets: readonly string[] }[];
  /** Why a level there cannot be used at all. */
  readonly unusable?: string;
}

/** What a restore makes. */
export interface RestoreOptions {
  /** Absent: a name is made. */
  readonly name?: string;
  /** The exited container that the checkpoint was taken of runs on from it. */
  readonly inPlace?: boolean;
  /** Told the damaged checkpoint that the name stands for, where its newest good ancestor is restored instead. */
  readonly fellBack?: (damaged: string) => void;
  /** Where it is to run; default: where the checkpoint was taken. */
  readonly environment?: string;
  readonly labels?: TextMap;
  /** Default `enforce`. */
  readonly constraintPolicy?: ConstraintPolicy;
  /** Told what is not met, where the policy is `warn`. */
  readonly unmet?: (verdicts: readonly ConstraintVerdict[]) => void;
}

/** What a fork makes. */
export interface ForkOptions {
  /** 1 to 1,000, default 1. */
  readonly count?: number;
  readonly namePrefix?: string;
  /** Where the copies are to run; default: where the checkpoint was taken. */
  readonly environment?: string;
  readonly labels?: TextMap;
  /** Default `enforce`; what `warn` finds is an event. */
  readonly constraintPolicy?: ConstraintPolicy;
}

/** A container that was moved. */
export interface Moved {
  readonly container: Container;
  /** The checkpoint that it went with. */
  readonly checkpoint: string;
  /** From its freeze to the copy's running. */
  readonly downtimeMs: number;
}

/** What a fork starts from. */
export type ForkSource = { readonly checkpoint: string } | { readonly container: string };

/** One copy of a fork: a running container, or why there is none. */
export type ForkOutcome =
  | { readonly index: number; readonly container: Container }
  | {
      readonly index: number;
      readonly failure: {
        readonly name: string;
        readonly code: string;
        readonly message: string;
        readonly remedy: string;
      };
    };
