/** Where a container is in its life. */
export type ContainerState =
  | 'created'
  | 'starting'
  | 'running'
  | 'paused'
  | 'iterating'
  | 'stopping'
  | 'exited'
  | 'removing';

/** Why a container is `exited`. */
export type ExitReason = 'completed' | 'failed' | 'stuck' | 'stopped' | 'lost';

/** A set of labels, or of environment variables. */
export type TextMap = Readonly<Record<string, string>>;

/** A numeric user and group inside. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The exit-code convention of a task: exit `checkpoint` is "run me again", exit `complete` is "I am done". */
export interface ExitCode {
  /** 1 to 255, default 85. */
  readonly checkpoint?: number;
  /** 0 to 255, default 0. */
  readonly complete?: number;
  /** By which the host asks for a checkpoint. Default SIGUSR2. */
  readonly signal?: string;
  /** From that signal to exit `checkpoint`. Default 30,000. */
  readonly signalTimeoutMs?: number;
  /** Progress guard. Default 100,000. */
  readonly maxIterations?: number;
  /** Progress guard. Absent: no limit. */
  readonly maxDurationMs?: number;
}

/** The program. */
export interface Task {
  readonly argv: readonly string[];
  readonly env?: TextMap;
  readonly cwd?: string;
  readonly user?: User;
  readonly exitCode?: ExitCode;
}

/** A host directory or file made visible inside. Not part of a checkpoint. */
export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean;
}

/** Limits; an absent one is no limit. */
export interface Resources {
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}

/** Which of the guest's own triggers are let through. */
export interface TriggerPolicy {
  readonly allow?: boolean;
  /** Mechanisms the guest may name; empty is all. */
  readonly mechanisms?: readonly string[];
  readonly perMinute?: number;
  /** At so many kept checkpoints its triggers are refused; 0 is no quota. */
  readonly maxCheckpoints?: number;
  /** The same for what they added to the store. */
  readonly maxBytes?: number;
}

/** A value that is injected at each start and restore, and is part of no record. One of `env` and `target` at least. */
export interface Secret {
  readonly name: string;
  /** An absolute file of the environment's host; it is read anew each time. */
  readonly source: string;
  readonly env?: string;
  /** The file inside that it becomes, read-only. */
  readonly target?: string;
}

/** How a container's start is remembered. */
export interface Memo {
  readonly enabled?: boolean;
  /** Absolute files or directories whose content counts. */
  readonly inputs?: readonly string[];
  /** Environment variables that do not count. */
  readonly ignoreEnv?: readonly string[];
  /** An entry older than this is not used. Default 7 days. */
  readonly ttlMs?: number;
}

/** A container as its caller wants it. What is absent takes its default; one read from a service has its defaults filled in. */
export interface ContainerSpec {
  readonly name: string;
  readonly labels?: TextMap;
  readonly environment?: string;
  readonly executor?: string;
  readonly loader?: string;
  readonly task: Task;
  readonly rootfs?: string;
  readonly hostname?: string;
  readonly volumes?: readonly Volume[];
  readonly resources?: Resources;
  readonly network?: 'host' | 'none';
  readonly log?: { readonly maxBytes?: number; readonly maxFiles?: number };
  readonly trigger?: TriggerPolicy;
  readonly secrets?: readonly Secret[];
  readonly memo?: Memo;
  /** Settings of the executor's own. */
  readonly executorOptions?: Readonly<Record<string, unknown>>;
}

/** How a container's life ended. */
export interface ContainerExit {
  /** 128 + n where signal n ended the task. */
  readonly code: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  readonly reason: ExitReason;
  readonly message: string;
  readonly at: Date;
}

/** A container as it is. */
export interface Container {
  readonly uid: string;
  readonly state: ContainerState;
  /** Rises with each change; an update names the one it saw. */
  readonly generation: number;
  readonly spec: ContainerSpec;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly exit?: ContainerExit;
  /** The checkpoint that this run began from. */
  readonly restoredFrom?: string;
  /** Its newest checkpoint. */
  readonly head?: string;
  /** How often its task has exited to checkpoint. */
  readonly iteration: number;
  /** CPUs it is bound with now; 0 is paused; absent is unlimited. */
  readonly boundCpus?: number;
  readonly layers: number;
  /** What came of looking for the entry of its start. */
  readonly memo?: {
    readonly key: string;
    readonly hit: boolean;
    readonly reason: string;
    readonly checkpoint: string;
  };
}

/** Which containers to list, one page of them. */
export interface ContainerQuery {
  /** 1 to 1,000, default 100. */
  readonly pageSize?: number;
  readonly pageToken?: string;
  /** Any of these; absent is all. */
  readonly states?: readonly ContainerState[];
  /** All of these; an empty value matches any. */
  readonly labels?: TextMap;
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}

/** One piece of a container's log. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly at: Date;
  /** Without its line end. */
  readonly text: string;
  /** False for a piece of a line that goes on in the next entry. */
  readonly endsLine: boolean;
}

/** Which part of a log. */
export interface LogQuery {
  readonly follow?: boolean;
  /** At most so many of the newest entries to begin with. */
  readonly tail?: number;
  readonly since?: Date;
}

/** A further command for a running container. */
export interface ExecCommand {
  readonly argv: readonly string[];
  readonly env?: TextMap;
  readonly cwd?: string;
  readonly user?: User;
  /** Absent: the command's stdin is empty. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** What comes out of that command; `exit` is the last. */
export type ExecOutput =
  | { readonly kind: 'stdout' | 'stderr'; readonly data: Uint8Array }
  | { readonly kind: 'exit'; readonly code: number };

/** What UpdateContainer changes; labels are replaced as a whole. */
export interface ContainerChange {
  readonly labels?: TextMap;
  readonly trigger?: TriggerPolicy;
  readonly resources?: Resources;
  /** Whether its start is memoized. */
  readonly memo?: boolean;
}

/** Something that happened to a container or a checkpoint. */
export interface Event {
  /** Rises by one with each event of a service. */
  readonly sequence: number;
  readonly at: Date;
  readonly subject: string;
  /** The container's name or the checkpoint's CRID. */
  readonly id: string;
  readonly type: string;
  readonly facts: TextMap;
}
