/** The four levels, from the outermost in. */
export type Level = 'environment' | 'executor' | 'loader' | 'task';

/** Whether what a fingerprint reports can be used now. */
export type Health = 'healthy' | 'degraded' | 'unusable';

/** One thing that a host offers now, or does not. */
export interface Finding {
  readonly key: string;
  readonly value: string;
  readonly reason?: string;
  /** The command that would add what is missing. */
  readonly remedy?: string;
  /** Capability tags that this takes away. */
  readonly removes?: readonly string[];
}

/** One environment, executor or loader: what its code can do, and what its host makes of it now. */
export interface LevelOffer {
  readonly level: Level;
  readonly name: string;
  /** Absent for an environment itself. */
  readonly environment?: string;
  readonly capabilities: readonly string[];
  readonly fingerprint?: {
    readonly health: Health;
    readonly description: string;
    readonly findings: readonly Finding[];
  };
}

/** How much of what runs a checkpoint keeps, each including the one before it. */
export type Preserved = 'disk' | 'process' | 'machine';

/** What is expected of a number: four out of five further ones between `low` and `high`. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly likely: number;
  /** How many it was learnt from. */
  readonly samples: number;
}

/** One mechanism of a container's levels with the planner's verdict on it. */
export interface MechanismChoice {
  readonly mechanism: string;
  readonly level: Level;
  readonly chosen: boolean;
  readonly reason: string;
  readonly keeps: readonly string[];
  readonly loses: readonly string[];
  readonly preserves: Preserved;
  readonly restores: 'here' | 'elsewhere';
  /** Its checkpoints cannot be made durable. */
  readonly ephemeral: boolean;
  /** Place in the order in which mechanisms would be tried; absent: it would not be. */
  readonly rank?: number;
  /** Absent where nothing like it has been taken yet. */
  readonly estimate?: {
    readonly pauseMs: Interval;
    readonly totalMs: Interval;
    readonly bytes: Interval;
    /** `container`: its own past; `host`: that of others of its kind. */
    readonly learntFrom: string;
  };
}

/** What one container's four levels can do together. */
export interface Capabilities {
  readonly levels: readonly LevelOffer[];
  readonly available: readonly { readonly tag: string; readonly level: Level; readonly name: string }[];
  readonly withheld: readonly {
    readonly tag: string;
    readonly level: Level;
    readonly name: string;
    readonly reason: string;
  }[];
  /** What a checkpoint asked for now would use, and why not the others. */
  readonly mechanisms: readonly MechanismChoice[];
}
