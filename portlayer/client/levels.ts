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
  readonly mechanisms: readonly {
    readonly mechanism: string;
    readonly level: Level;
    readonly chosen: boolean;
    readonly reason: string;
    readonly keeps: readonly string[];
    readonly loses: readonly string[];
  }[];
}
