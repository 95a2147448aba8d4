import type { Duplex } from 'node:stream';
import type { CapabilitySet, Fingerprint } from '../model/capability.js';
import type { ExitResult, Handle } from '../model/container-record.js';
import type { ContainerSpec, ResourceSpec } from '../model/container-spec.js';
import type { Environment } from './environment.js';
import type { Finished, Host, TreeFacts } from './host.js';
import type { Leftovers } from './leftovers.js';
import type { LaunchPlan } from './loader.js';
import type { Mechanism } from './mechanism.js';

/** One start of one container. */
export interface StartRequest {
  /** The container's uid: the executor's key for everything it keeps of it. */
  readonly uid: string;
  readonly spec: ContainerSpec;
  readonly launch: LaunchPlan;
  /**
   * Frozen layers to stack under the container's writable one, oldest first. The writable layer is kept from the
   * run before, as docker keeps it, unless it was frozen or discarded since; then it is new and empty.
   */
  readonly layers: readonly string[];
  /** Set by the core beside the task's own: `PORTLAYER_CONTAINER`, `PORTLAYER_RESTORED_FROM`, … */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Lines between the service and one container's init. The link, not the guest's words, says who is asking.
 * Both directions carry lines of design/relay-protocol.md, without their line ends.
 */
export interface GuestLink {
  /** What the guest says, until the link is closed by either side. Lines over 1,024 bytes end the link. */
  readonly lines: AsyncIterable<string>;
  send(line: string): void;
  close(): void;
}

/** One piece of a container's log. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly atMs: number;
  /** Without its line end. */
  readonly text: string;
  /** False for a piece of a line that went on in the next entry. */
  readonly endsLine: boolean;
}

/** Which part of a log. */
export interface LogOptions {
  /** Go on until the container is gone or the signal aborts. */
  readonly follow: boolean;
  /** At most so many of the newest entries to begin with; absent: all that rotation kept. */
  readonly tail?: number;
  /** Only entries at or after this moment, milliseconds since 1970. */
  readonly sinceMs?: number;
  /** With `follow`: whether nothing more will come. Absent: when the present run has ended. */
  readonly isOver?: () => Promise<boolean>;
}

/** Freezing and keeping writable layers. Every method is idempotent by layer id. */
export interface DiskLayers {
  /**
   * Makes the writable layer of a container whose task has ended, or is frozen by the caller, the frozen layer
   * `layer`. Takes time in the order of the number of renames, not of the bytes, where the strategy allows.
   */
  freeze(uid: string, layer: string): Promise<void>;
  /** Throws the writable layer of a container that does not run away, so that its next start begins with an empty one. */
  discard(uid: string): Promise<void>;
  /** Digest and size of one frozen layer. */
  describe(layer: string, signal?: AbortSignal): Promise<TreeFacts>;
  /** The directory with a frozen layer's files, on the environment's host; undefined where the layer is gone. Absent where layers are no directories there. */
  locate?(layer: string): Promise<string | undefined>;
  /** Makes one frozen layer durable. */
  sync(layer: string, signal?: AbortSignal): Promise<void>;
  /** Folds `layers` (oldest first) into one new frozen layer. The sources stay. */
  fold(layers: readonly string[], into: string, signal?: AbortSignal): Promise<void>;
  /** Removes a frozen layer; no error where it is gone. */
  remove(layer: string): Promise<void>;
  /** Every frozen layer that is there. What a killed service left half made is removed: legal only while nothing is frozen or folded. */
  list(): Promise<readonly string[]>;
  /** Absent: layers stay where they are, and checkpoint images refer to them. */
  readonly packing?: LayerPacking;
}

/**
 * Facet: frozen layers as single files, so that they are kept in checkpoint images and the layers themselves may be
 * removed and brought back. A layer's file is the same for the same layer, byte for byte, and what did not change in it
 * lies at the same place of a page of 4 KiB, so that the next layer's file shares its pages.
 */
export interface LayerPacking {
  /** Whether this frozen layer is there now. Cheap: a restore asks it for each layer. */
  isThere(layer: string): Promise<boolean>;
  /** Packs one frozen layer into the new file `file` on the service's machine. What it returns is handed back to `unpack`. */
  pack(layer: string, file: string, signal?: AbortSignal): Promise<string>;
  /**
   * Makes the frozen layer `layer` of such a file; idempotent. Never writes outside the layer, whatever the file holds.
   * Throws STORE_FULL, CHECKPOINT_CORRUPT for a file that is none.
   */
  unpack(layer: string, file: string, kind: string, signal?: AbortSignal): Promise<void>;
}

/** Facet: change CPU and memory of a running container. */
export interface Bind {
  /**
   * `cpus` 0 freezes: when it resolves, nothing of the container executes. Anything else thaws and limits; what is
   * absent is unlimited from then on.
   */
  bind(uid: string, resources: ResourceSpec): Promise<void>;
}

/** Facet: run a further command in a running container. It is not part of a checkpoint. */
export interface Exec {
  exec(uid: string, command: ExecCommand, signal: AbortSignal): Promise<ExecSession>;
}

/** A further command for a running container. */
export interface ExecCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** A command begun by {@link Exec}. */
export interface ExecSession {
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: AsyncIterable<Buffer>;
  readonly stderr: AsyncIterable<Buffer>;
  readonly exited: Promise<{ readonly code: number }>;
}

/**
 * Facet: what a loader's mechanism needs of a running container on a Linux host. Throws WRONG_STATE where it has ended.
 */
export interface Inside {
  /** The host that the containers are on. */
  readonly host: Host;
  /** The frozen layers, oldest first, that the present writable layer was begun on: what is frozen of it now belongs on these. */
  layersBelow(uid: string): Promise<readonly string[]>;
  /** The pid of the container's init on the host. */
  init(uid: string): Promise<number>;
  /** A regular file of at most 64 KiB, by its path inside. None of the container's links is followed. Throws NOT_FOUND. */
  read(uid: string, path: string): Promise<string>;
  /**
   * Runs a command of the host's, with the host's files and rights, in the container's network: it reaches what listens
   * there. With `pids` in its pid namespace too: it signals processes by the pids that they have inside. Such a command
   * is short: it is waited for after an abort.
   */
  run(
    uid: string,
    argv: readonly string[],
    options?: { readonly pids?: boolean; readonly signal?: AbortSignal },
  ): Promise<Finished>;
}

/** What isolates and runs. All methods but `start` are idempotent; what runs outlives this object. */
export interface Executor extends AsyncDisposable {
  readonly name: string;
  readonly capabilities: CapabilitySet;
  /** The network of a container whose spec says nothing of it. Absent: `host`. */
  readonly defaultNetwork?: ContainerSpec['network'];
  /** The first value at once, then one on each change, until the signal aborts. */
  fingerprint(signal: AbortSignal): AsyncIterable<Fingerprint>;
  /** Throws INVALID_SPEC or CAPABILITY_MISSING where this host cannot give what the spec asks. No effect. */
  check(spec: ContainerSpec): Promise<void>;
  /** Where `start` will run it: enough for `recover` even if the service dies inside `start`. Pure. */
  handleFor(uid: string): Handle;
  /** Starts the task. Resolves when the init has taken over; a task that cannot be executed shows in `wait`. */
  start(request: StartRequest, signal: AbortSignal): Promise<Handle>;
  /** Finds a container again after the service was restarted. `exited`: `wait` will tell how. */
  recover(uid: string, handle: Handle, signal: AbortSignal): Promise<'running' | 'exited' | 'gone'>;
  /**
   * Forgets how the last run ended, once the core has recorded it: `recover` says `gone` until the next `start`.
   * So an exit that is found after a crash always belongs to the newest run.
   */
  settle(uid: string): Promise<void>;
  /** Resolves when the task has ended; rejects only when the signal aborts. */
  wait(uid: string, signal: AbortSignal): Promise<ExitResult>;
  /** Sends a signal to the task through its init. */
  signal(uid: string, signal: number): Promise<void>;
  /**
   * Whether the task has a handler for a signal now: one without would be ended by most signals. Undefined where the
   * executor cannot tell.
   */
  handles(uid: string, signal: number): Promise<boolean | undefined>;
  /** SIGTERM to the task, SIGKILL to everything after `graceMs`. Resolves when it has ended. */
  stop(uid: string, graceMs: number): Promise<void>;
  /** Ends it if it runs, and removes everything kept of it but frozen layers. */
  destroy(uid: string): Promise<void>;
  /** Opens the link to the running container's init. At most one is open for each container. */
  link(uid: string, signal: AbortSignal): Promise<GuestLink>;
  logs(uid: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogEntry>;
  readonly disk: DiskLayers;
  /** Containers this executor keeps something of; what the catalog does not know is swept. */
  list(): Promise<readonly string[]>;
  readonly bind?: Bind;
  readonly exec?: Exec;
  readonly inside?: Inside;
  readonly leftovers?: Leftovers;
  /** Present where this executor can checkpoint what runs in it. */
  readonly checkpoint?: Mechanism;
}

/** What the core gives an executor to work with. */
export interface ExecutorServices {
  readonly environment: Environment;
  /** Writes one line to the service's own log. */
  readonly log: (message: string) => void;
}

/** An executor as its folder exports it: data plus one `create`; no effect on import. */
export interface ExecutorPlugin<C = unknown> {
  readonly name: string;
  readonly apiVersion: 1;
  /** JSON Schema of its configuration. */
  readonly configSchema: object;
  /** Environment kinds it works in. */
  readonly environments: readonly string[];
  create(config: C, services: ExecutorServices): Promise<Executor>;
}

/** A connection as `Host.connect` gives it; named here so that executors need not import streams. */
export type Connection = Duplex;
