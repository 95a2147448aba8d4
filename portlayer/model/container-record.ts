import type { TriggerSource } from './checkpoint-record.js';
import type { ContainerSpec } from './container-spec.js';
import type { MemoOutcome } from './memo-spec.js';

/** Where a container is in its life; the transitions are in `lifecycle/container-states.ts`. */
export const CONTAINER_STATES = [
  /** Known, nothing runs. */
  'created',
  /** The executor was asked to start it. */
  'starting',
  /** The task runs. */
  'running',
  /** Bound with zero CPU: nothing of it executes. */
  'paused',
  /** The task exited to checkpoint; its writable layer is being frozen and it will run again. */
  'iterating',
  /** It was asked to end. */
  'stopping',
  /** The task ended; `exit` says how. It can be started again. */
  'exited',
  /** Being removed; the record goes when everything it held is gone. */
  'removing',
] as const;

/** One of {@link CONTAINER_STATES}. */
export type ContainerState = (typeof CONTAINER_STATES)[number];

/** How a run of the task ended. An exit is data, never an error. */
export interface ExitResult {
  /** The task's exit code; 128 + n where signal n ended it. */
  readonly code: number;
  /** The number of the signal that ended it, 0 where none did. */
  readonly signal: number;
  /** True where the kernel killed it for want of memory, as far as the executor can tell. */
  readonly oomKilled: boolean;
  /** Why it could not run at all (`exec: No such file or directory`), or why its exit is not known. */
  readonly failure?: string;
  /** True where nobody can know any more how it ended: its monitor is gone and left nothing. */
  readonly lost?: boolean;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Why a container is in state `exited`. */
export type ExitReason =
  /** The task ended by itself with exit Y (or any code, where it has no exit-code convention). */
  | 'completed'
  /** The task ended with a code that is neither X nor Y, or could not be run. */
  | 'failed'
  /** The progress guard stopped the loop. */
  | 'stuck'
  /** A caller stopped or killed it. */
  | 'stopped'
  /** It was gone when the service looked for it: the host rebooted, or someone killed its monitor. */
  | 'lost';

/** The end of a container's life, as `wait` returns it. */
export interface ContainerExit extends ExitResult {
  readonly reason: ExitReason;
  /** One sentence where `reason` alone does not say enough (which guard, what was lost). */
  readonly message?: string;
}

/** Opaque to the core, versioned by its plugin, persisted: enough to find the running thing again. */
export interface Handle {
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The exit-code loop's memory. */
export interface LoopState {
  /** How often the task has exited X. */
  readonly iteration: number;
  /** When the first iteration began, milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Digest of the state that the last A′ froze. */
  readonly lastDigest?: string;
}

/** A checkpoint that waits for the task to exit X. */
export interface PendingCheckpoint {
  readonly source: TriggerSource;
  readonly labels: Readonly<Record<string, string>>;
  /** Present where the caller has been given an id already. */
  readonly crid?: string;
  /** The container ends with the checkpoint. */
  readonly stopAfter: boolean;
}

/** Everything the port layer knows of one container. */
export interface ContainerRecord {
  /** A ULID that is never reused, also after the name is. */
  readonly uid: string;
  readonly spec: ContainerSpec;
  readonly state: ContainerState;
  /** Rises by one with each change of state, spec or head; an update names the one it saw. */
  readonly generation: number;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly exit?: ContainerExit;
  readonly handle?: Handle;
  /** Frozen layers under the writable one, oldest first. */
  readonly layers: readonly string[];
  /** The checkpoint that this run began from, if any. */
  readonly restoredFrom?: string;
  /** Present while it is being started from that checkpoint's image, not from its disk: a start that is cut short is repeated so. */
  readonly bringing?: string;
  /** The newest captured or committed checkpoint of this container; the parent of its next. */
  readonly head?: string;
  readonly loop?: LoopState;
  /** CPUs it is bound with now; 0 is paused; absent is unlimited. */
  readonly boundCpus?: number;
  /** Set before a caller's stop or kill takes effect, so that the exit that follows is known as `stopped`. */
  readonly stopRequested?: boolean;
  /** The checkpoint whose capture is under way; recovery finishes or undoes it. */
  readonly capturing?: string;
  /** What came of looking for an entry, where its spec asks for a memoized start. */
  readonly memo?: MemoOutcome;
  /** Present while it is being moved: the name of the copy. A service that starts and finds it undoes the move. */
  readonly moving?: string;
  /** Somebody asked for a checkpoint that the task's next exit X will be. */
  readonly pending?: PendingCheckpoint;
}
