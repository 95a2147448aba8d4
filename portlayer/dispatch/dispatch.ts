import type { LevelOffer, Negotiated } from '../model/capability.js';
import type { CheckpointRecord, CheckpointState } from '../model/checkpoint-record.js';
import type { ConstraintVerdict } from '../model/constraint.js';
import type { ContainerExit, ContainerRecord, ContainerState } from '../model/container-record.js';
import type { ContainerSpec, ResourceSpec, TriggerPolicy } from '../model/container-spec.js';
import type { Event } from '../model/event.js';
import type { Level } from '../model/level.js';
import type { Need } from '../planner/need.js';
import type { Verdict } from '../planner/plan.js';
import type { Change } from '../planner/smallest-change.js';
import type { ExecCommand, ExecSession, LogEntry, LogOptions } from '../plugin/executor.js';
import type { FileDifference } from '../store/diff-images.js';
import type { Garbage } from './collect-garbage.js';
import type { Drill } from './restore-drill.js';
import type { ImageVerdict } from './verify.js';

/** What a list call returns: one page and the token of the next, absent on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken?: string;
}

/** Paging, as every list takes it. `size` is 1 to 1,000. */
export interface PageRequest {
  readonly size: number;
  /** Opaque, from the page before. */
  readonly token?: string;
}

/** Which containers to list. Every given part must match; a label with an empty value matches any value. */
export interface ContainerFilter {
  readonly states?: readonly ContainerState[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Which checkpoints to list. Without `states`: all but failed and removed ones. */
export interface CheckpointFilter {
  readonly states?: readonly CheckpointState[];
  readonly level?: Level;
  readonly mechanism?: string;
  readonly container?: string;
  readonly parent?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly published?: boolean;
}

/** What a caller states of a checkpoint beside its mechanism. */
export type StatedNeed = Omit<Need, 'mechanism' | 'allowed'>;

/** What a caller asks of a checkpoint. */
export interface CheckpointRequest {
  readonly container: string;
  /** Absent: the planner chooses. */
  readonly mechanism?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How durable it must be before the call ends. */
  readonly durability: 'captured' | 'committed';
  readonly stopAfter: boolean;
  /** What else it must be able to do; absent: whatever the planner finds. */
  readonly need?: StatedNeed;
}

/** What is told while a checkpoint is made. */
export interface ProgressStep {
  readonly crid: string;
  readonly state: CheckpointState;
  readonly atMs: number;
  /** While it is `committing`: how much of it is written back. */
  readonly written?: { readonly doneBytes: number; readonly totalBytes: number };
}

/** One checkpoint in a lineage. */
export interface LineageNode {
  readonly checkpoint: CheckpointRecord;
  /** Index in the same list, -1 for a root. Parents come first. */
  readonly parentIndex: number;
  /** Containers that were restored from it and still exist. */
  readonly containers: readonly string[];
}

/** How a checkpoint is published. */
export interface PublishOptions {
  /** Takes the name from the checkpoint that has it. */
  readonly move: boolean;
  /** The name may not be moved or taken back afterwards, but by force. */
  readonly immutable?: boolean;
  /** Added to the checkpoint's own. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Also where its image holds secrets, or a name is immutable. */
  readonly force?: boolean;
}

/** What a restore does where its target lacks what a constraint requires: refuse, tell and go on, or not look. */
export const CONSTRAINT_POLICIES = ['enforce', 'warn', 'ignore'] as const;

/** One of {@link CONSTRAINT_POLICIES}. */
export type ConstraintPolicy = (typeof CONSTRAINT_POLICIES)[number];

/** A checkpoint held against one environment. */
export interface TargetReport {
  readonly environment: string;
  /** Every constraint is met. */
  readonly fits: boolean;
  readonly verdicts: readonly ConstraintVerdict[];
  /** The fewest changes that would make it fit; empty where it does. */
  readonly changes: readonly Change[];
  /** Present where a level there cannot be used at all: why. */
  readonly unusable?: string;
}

/** What a restore makes. */
export interface RestoreRequest {
  /** CRID, unique prefix of at least 8 characters, or published `name:tag`. */
  readonly checkpoint: string;
  /** Absent: a name is made. Must be absent with `inPlace`. */
  readonly name?: string;
  readonly inPlace: boolean;
  /** Told the CRID of the damaged checkpoint that a name stands for, where an ancestor is restored instead. */
  readonly fellBack?: (damaged: string) => void;
  /** Where it is to run; absent: where the checkpoint was taken. Not with `inPlace`. */
  readonly environment?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Default `enforce`. */
  readonly constraints?: ConstraintPolicy;
  /** Told what is not met, where the policy is `warn`. */
  readonly unmet?: (verdicts: readonly ConstraintVerdict[]) => void;
}

/** What a fork makes. */
export interface ForkRequest {
  readonly source: { readonly checkpoint: string } | { readonly container: string };
  /** 1 to 1,000. */
  readonly count: number;
  readonly namePrefix?: string;
  /** Where the copies are to run; absent: where the checkpoint was taken. */
  readonly environment?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Default `enforce`. */
  readonly constraints?: ConstraintPolicy;
  /** Told what is not met, where the policy is `warn`. */
  readonly unmet?: (verdicts: readonly ConstraintVerdict[]) => void;
}

/** What is to be moved where. */
export interface MoveRequest {
  readonly container: string;
  readonly environment: string;
  /** Absent: the planner chooses. */
  readonly mechanism?: string;
}

/** A container that was moved. */
export interface Moved {
  readonly container: ContainerRecord;
  /** The checkpoint that it went with. */
  readonly checkpoint: string;
  /** From its freeze to the copy's running. */
  readonly downtimeMs: number;
}

/** One copy of a fork: a running container, or why there is none. */
export interface ForkOutcome {
  readonly index: number;
  readonly name: string;
  readonly container?: ContainerRecord;
  readonly error?: unknown;
}

/** A mechanism of a container's levels with the planner's verdict on it. */
export type MechanismVerdict = Verdict;

/** What a container's four levels can do together. */
export interface ContainerCapabilities {
  readonly negotiated: Negotiated;
  /** Every mechanism of its levels with the planner's verdict on it. */
  readonly mechanisms: readonly MechanismVerdict[];
}

/** A level as `Levels.ListLevels` shows it. */
export interface LevelReport extends LevelOffer {
  /** The environment it is in; absent for an environment itself. */
  readonly environment?: string;
}

/**
 * What the API calls: every operation of the port layer, transport-free. Throws `PortLayerError` only.
 *
 * `requestId` on mutating calls: a repetition with the same id and content has the first one's result, with
 * other content ALREADY_EXISTS; an empty one is not deduplicated.
 */
export interface Dispatch {
  /** `spec` as the caller gave it: unchecked, defaults missing. Same name and same content again: the container that is there. */
  createContainer(requestId: string, spec: unknown): Promise<ContainerRecord>;
  startContainer(requestId: string, name: string): Promise<ContainerRecord>;
  stopContainer(requestId: string, name: string, graceMs: number): Promise<ContainerRecord>;
  /** `signal` is a name (`SIGTERM`, `TERM`) or a number as text. */
  killContainer(requestId: string, name: string, signal: string): Promise<ContainerRecord>;
  removeContainer(requestId: string, name: string, force: boolean): Promise<void>;
  getContainer(name: string): Promise<ContainerRecord>;
  listContainers(filter: ContainerFilter, page: PageRequest): Promise<Page<ContainerRecord>>;
  waitContainer(name: string, signal: AbortSignal): Promise<ContainerExit>;
  logs(name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogEntry>;
  exec(name: string, command: ExecCommand, signal: AbortSignal): Promise<ExecSession>;
  bindContainer(requestId: string, name: string, resources: ResourceSpec): Promise<ContainerRecord>;
  updateContainer(
    requestId: string,
    name: string,
    generation: number,
    change: {
      labels?: ContainerSpec['labels'];
      trigger?: Partial<TriggerPolicy>;
      resources?: ResourceSpec;
      /** Whether its start is memoized. */
      memo?: boolean;
    },
  ): Promise<ContainerRecord>;

  /** `progress` is called with each state entered. Resolves at the durability asked for. */
  createCheckpoint(
    requestId: string,
    request: CheckpointRequest,
    progress: (step: ProgressStep) => void,
    signal: AbortSignal,
  ): Promise<CheckpointRecord>;
  /** What a checkpoint with these needs would use, and why not the others. Takes none; nothing chosen where none fits. */
  planCheckpoint(
    container: string,
    mechanism: string | undefined,
    need: StatedNeed,
  ): Promise<readonly MechanismVerdict[]>;
  /** By CRID, unique prefix of at least 8 characters, or published `name:tag`. */
  getCheckpoint(checkpoint: string): Promise<CheckpointRecord>;
  /** Newest first. */
  listCheckpoints(filter: CheckpointFilter, page: PageRequest): Promise<Page<CheckpointRecord>>;
  checkpointTree(root: string | undefined, container: string | undefined): Promise<readonly LineageNode[]>;
  /** An empty reference takes the name back. */
  publishCheckpoint(
    requestId: string,
    checkpoint: string,
    reference: string,
    move: boolean,
    more?: Omit<PublishOptions, 'move'>,
  ): Promise<CheckpointRecord>;
  /** A checkpoint's constraints held against an environment, its own by default. Starts nothing. */
  checkRestore(checkpoint: string, environment: string | undefined): Promise<TargetReport>;
  /** The same for every environment. */
  listTargets(checkpoint: string): Promise<readonly TargetReport[]>;
  removeCheckpoint(requestId: string, checkpoint: string, force: boolean): Promise<void>;
  commitCheckpoint(requestId: string, checkpoint: string): Promise<CheckpointRecord>;
  /** A pinned one is taken by no retention, and removed only with force. */
  pinCheckpoint(requestId: string, checkpoint: string, pinned: boolean): Promise<CheckpointRecord>;
  /** Folds a committed checkpoint's chain: its image needs no other afterwards. `progress` counts pages. */
  coalesceCheckpoint(
    requestId: string,
    checkpoint: string,
    progress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<CheckpointRecord>;
  /** Checks one committed checkpoint, or all; yields each verdict. Damaged ones are quarantined. */
  verifyCheckpoints(
    checkpoint: string | undefined,
    drill: Drill | undefined,
    signal: AbortSignal,
  ): AsyncIterable<ImageVerdict>;
  /** What differs between two committed checkpoints. */
  diffCheckpoints(from: string, to: string): Promise<readonly FileDifference[]>;
  /** A committed checkpoint as one archive, the same for the same checkpoint, from byte `offset` on. */
  exportCheckpoint(
    checkpoint: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly totalBytes: number; readonly data: Buffer }>;
  /** Takes in such an archive. It is listed once all of it was checked. */
  importCheckpoint(chunks: AsyncIterable<Buffer>, signal: AbortSignal): Promise<CheckpointRecord>;
  /** Frees what nobody needs, or only tells what it would. `allCopies`: also every copy on disk that images hold too. */
  collectGarbage(dryRun: boolean, allCopies: boolean): AsyncIterable<Garbage>;
  restoreCheckpoint(
    requestId: string,
    request: RestoreRequest,
    signal: AbortSignal,
  ): Promise<ContainerRecord>;
  /** Yields each copy as it is ready or has failed. */
  fork(requestId: string, request: ForkRequest, signal: AbortSignal): AsyncIterable<ForkOutcome>;

  /** Takes a running container to another environment; on any failure it runs on where it was. */
  moveContainer(requestId: string, request: MoveRequest, signal: AbortSignal): Promise<Moved>;

  /** Events with a sequence number of at least `since` (0: only new ones), then as they happen unless `follow` is false. */
  events(since: number, follow: boolean, signal: AbortSignal): AsyncIterable<Event>;
  levels(refresh: boolean): Promise<readonly LevelReport[]>;
  capabilities(container: string): Promise<ContainerCapabilities>;
}
