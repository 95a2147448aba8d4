import type { Duplex, Readable, Writable } from 'node:stream';
import { PortLayerError } from '../errors/port-layer-error.js';

/** How to spawn. Nothing of the service's own environment is inherited but PATH. */
export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Ends the process with SIGKILL when it aborts. */
  readonly signal?: AbortSignal;
}

/** A process on a host that lives at most as long as the connection to that host. What must outlive it is put under a monitor. */
export interface Process {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /**
   * Never rejects: a command that could not be spawned ends with code 127 and the reason in `failure`. `cut`: the link
   * to the host was down, or was lost, and nobody knows how it ended.
   */
  readonly exited: Promise<{
    readonly code: number;
    readonly signal: string;
    readonly failure?: string;
    readonly cut?: PortLayerError;
  }>;
  kill(signal: NodeJS.Signals): void;
}

/** What a finished command left; `stdout` and `stderr` are bounded to 1 MiB each. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One entry of a directory. */
export interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
}

/** What {@link Files.seal} found below a directory. */
export interface TreeFacts {
  /** `sha256:` and 64 hex digits over names, kinds, modes, owners, link targets and contents, in the order of names. */
  readonly digest: string;
  /** Sum of the files' sizes. */
  readonly bytes: number;
  readonly entries: number;
}

/**
 * Files of one host. Every path is absolute. Errors are Node's errno errors, whatever the transport; a host that cannot
 * be reached is `EXECUTOR_UNAVAILABLE`, and says nothing of whether a file is there.
 */
export interface Files {
  read(path: string, signal?: AbortSignal): Promise<Buffer>;
  /** Bytes from `offset`, as far as the file goes now. */
  readFrom(path: string, offset: number, maxBytes: number): Promise<Buffer>;
  /**
   * Writes a temporary neighbour, syncs it, renames it over `path`, syncs the directory. `durable: false` leaves the
   * syncs out, for what is of no use once the host has stopped: a sync waits for all that is being written beside it.
   */
  writeAtomic(
    path: string,
    data: string | Uint8Array,
    mode: number,
    options?: { readonly durable?: boolean },
  ): Promise<void>;
  /** Writes into an existing file as it is (a cgroup's knob, a proc file): no create, no truncate. */
  writeInPlace(path: string, data: string): Promise<void>;
  /** With parents; no error where it is there already. */
  makeDirectory(path: string, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Recursive; no error where nothing is there. Does not follow links and does not cross mounts. */
  remove(path: string): Promise<void>;
  list(path: string): Promise<readonly Entry[]>;
  exists(path: string): Promise<boolean>;
  size(path: string): Promise<number>;
  /** Free bytes of the file system that `path` is on. */
  freeBytes(path: string): Promise<number>;
  /** Digest of a tree that nobody writes to any more. Reads everything once. */
  digestTree(path: string, signal?: AbortSignal): Promise<TreeFacts>;
  /**
   * Digest of a file or a tree that may change, over names, kinds, modes, owners, link targets and contents; cheap when
   * it is asked again. Absent where that cannot be had without reading everything each time.
   */
  contentDigest?(path: string, signal?: AbortSignal): Promise<string>;
  /** Makes a tree durable: every file and directory below `path`, and the directory that names it. */
  syncTree(path: string, signal?: AbortSignal): Promise<void>;
  /** Copies a tree with owners, modes, times, links, sparseness and extended attributes; by reflink where `reflink` is `always` or it can. */
  copyTree(from: string, to: string, reflink: 'always' | 'auto', signal?: AbortSignal): Promise<void>;
}

/**
 * All that an executor may do to a machine. `local` does it with Node, `ssh` over one connection;
 * an executor that uses nothing else works on both.
 */
export interface Host {
  /** The environment's name: `local`, or a host's name in the configuration. */
  readonly name: string;
  /** Where this port layer keeps its things on that host; absolute, exists, mode 0700. */
  readonly stateDirectory: string;
  /** The init, the monitor and the guest tool, as one static binary on that host. */
  readonly initBinary: string;
  /** Effective user on that host. */
  readonly uid: number;
  readonly gid: number;
  /** Absolute paths or names in PATH; argv is never joined into a shell line. */
  spawn(argv: readonly string[], options?: SpawnOptions): Process;
  /** Spawns, feeds `input`, collects. Rejects only for an abort, or with EXECUTOR_UNAVAILABLE for a lost link; a missing command is code 127. */
  run(
    argv: readonly string[],
    options?: SpawnOptions & { readonly input?: string | Uint8Array },
  ): Promise<Finished>;
  readonly files: Files;
  /** Connects to a unix stream socket on that host. */
  connect(socketPath: string, signal?: AbortSignal): Promise<Duplex>;
  /** Resolves when the host can be reached, however long that takes. Absent: it always can. Rejects with the signal's reason. */
  untilReachable?(signal: AbortSignal): Promise<void>;
}

/** True for the error of a host that cannot be reached now: what was asked is not known, neither yes nor no. */
export function isUnreachable(caught: unknown): boolean {
  return caught instanceof PortLayerError && caught.code === 'EXECUTOR_UNAVAILABLE';
}
