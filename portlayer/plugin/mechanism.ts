import type { Fingerprint } from '../model/capability.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { Constraint } from '../model/constraint.js';
import type { Handle } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { Preserved, Reach } from '../model/fidelity.js';
import type { Level } from '../model/level.js';
import type { Executor, StartRequest } from './executor.js';

/** What a mechanism keeps and what it loses: as data for the planner, and in words for a person. */
export interface FidelityCard {
  /** How much of what runs its checkpoints keep. */
  readonly preserves: Preserved;
  /** Where they can be restored, as far as the mechanism itself goes; its constraints say the rest. */
  readonly restores: Reach;
  /** Its checkpoints cannot be made durable: they end with what they were taken of, or with its host. */
  readonly ephemeral?: boolean;
  readonly keeps: readonly string[];
  readonly loses: readonly string[];
  readonly needs: readonly string[];
}

/** A running container as a mechanism sees it. */
export interface Running {
  readonly uid: string;
  readonly spec: ContainerSpec;
  readonly handle: Handle;
  readonly executor: Executor;
  readonly layers: readonly string[];
}

/** The phases a mechanism passes through, in this order; it may leave some out. */
export type Phase = 'quiescing' | 'dumping' | 'thawed';

/**
 * Awaited by the mechanism as it enters each phase. The core times the phases there, persists the state,
 * emits progress, and can hold several containers at one cut. Rejects when the checkpoint is to be given up.
 */
export type PhaseGate = (phase: Phase) => Promise<void>;

/** Where a mechanism puts its dump. */
export interface CheckpointWriter {
  readonly crid: string;
  /** An empty directory, mode 0700, for the dump's files. */
  readonly directory: string;
  /** The id under which the writable layer is to be frozen with the dump. */
  readonly layer: string;
}

/** Where a mechanism finds a dump again. */
export interface CheckpointReader {
  readonly record: CheckpointRecord;
  readonly directory: string;
}

/** What a mechanism tells of a finished dump. */
export interface DumpFacts {
  /** The container's layers after it, oldest first; the last is the frozen one. */
  readonly layers: readonly string[];
  /** False where the task has ended with the checkpoint (exit-code, stop after) and the core must start it again. */
  readonly running: boolean;
  /** What only the dump could tell that a restore needs; recorded beside those of {@link Mechanism.constraints}. */
  readonly constraints?: readonly Constraint[];
}

/**
 * Facet: copies of an image that are made ready before anybody asks for them, and that `restore` then uses. Nobody owns
 * one until it is used; what is not used ends with the executor, and is swept at its next start.
 */
export interface Standby {
  /** How many copies of an image of such a container are to be kept ready. Pure. */
  wanted(spec: ContainerSpec): number;
  /** Makes ready what is missing. Resolves when it is, or could not be, which is no error. Nothing else waits for it. */
  fill(
    from: CheckpointReader,
    request: Pick<StartRequest, 'spec' | 'layers'>,
    signal: AbortSignal,
  ): Promise<void>;
  /** The image goes: ends what was made ready of it, and makes no more. */
  forget(crid: string): Promise<void>;
}

/**
 * Facet: what a mechanism keeps of its checkpoints outside of their directories, where the store does not see it: a
 * machine that stands still, for example.
 */
export interface Keeping {
  /** The checkpoint is removed, or came to nothing: removes what is kept of it. Idempotent. */
  forget(crid: string): Promise<void>;
  /** Checkpoints of which something is kept. What the catalog does not know is forgotten when the service starts. */
  list(): Promise<readonly string[]>;
}

/** A way to checkpoint and restore, at one level. A facet: a level's plugin has one or it does not. */
export interface Mechanism {
  readonly name: string;
  readonly level: Level;
  readonly card: FidelityCard;
  /** What a restore of such a container needs of its target. Pure. */
  constraints(of: ContainerSpec, on: readonly Fingerprint[]): readonly Constraint[];
  /** Legal only while the container is running (or paused, where the card says so). On failure the container runs on. */
  checkpoint(
    container: Running,
    into: CheckpointWriter,
    gate: PhaseGate,
    options: { readonly stopAfter: boolean },
    signal: AbortSignal,
  ): Promise<DumpFacts>;
  /** Starts one container from the image. n clones are n calls on one image. */
  restore(from: CheckpointReader, as: StartRequest, executor: Executor, signal: AbortSignal): Promise<Handle>;
  readonly standby?: Standby;
  readonly keeping?: Keeping;
}
