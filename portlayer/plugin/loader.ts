import type { CapabilitySet, CapabilityTag, Fingerprint } from '../model/capability.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { Host } from './host.js';
import type { Mechanism } from './mechanism.js';

/** A file or directory of the host that a loader needs inside, read-only. */
export interface Brought {
  readonly source: string;
  readonly target: string;
}

/** A directory in memory that a loader needs inside, empty at each start and gone at the end of the run. It is the init's user's; `--state-owner` gives it to another. */
export interface Scratch {
  readonly target: string;
  /** The most it may hold. */
  readonly bytes: number;
}

/**
 * What the executor is to start: data, so that each executor can carry it out its own way.
 * The init is always PID 1 and `argv` is its child.
 */
export interface LaunchPlan {
  /** The task's command, wrapped as the loader needs it. */
  readonly argv: readonly string[];
  /** The task's environment, completed by the loader. */
  readonly env: Readonly<Record<string, string>>;
  readonly bring: readonly Brought[];
  /** True: the init ends with its last descendant, not with its first child (DMTCP's restart forks). */
  readonly waitForAll: boolean;
  /** Absent: none. Executors that can make none refuse a plan that has some. */
  readonly scratch?: readonly Scratch[];
  /** Further options of the init's own (`portlayer-init init`), handed to it as they are. */
  readonly initOptions?: readonly string[];
  /** True: in a network of the container's own, the loopback acknowledges at once (`quickack 1` on its routes). */
  readonly quickLoopback?: boolean;
  /** What a machine's loader adds (kernel, initramfs); executors that know none refuse a plan that has it. */
  readonly machine?: Readonly<Record<string, unknown>>;
}

/** What brings the task to life in an executor. */
export interface Loader {
  readonly name: string;
  readonly capabilities: CapabilitySet;
  fingerprint(host: Host | undefined, signal: AbortSignal): Promise<Fingerprint>;
  /** Tags that the executor must offer: without them nothing is started. */
  readonly needs?: CapabilitySet;
  /** Tags of other levels that are of no use with this loader, each with the reason. */
  readonly withholds?: Readonly<Record<CapabilityTag, string>>;
  /**
   * No effect but on what the loader itself keeps on the host. The same spec on the same host gives the same plan. Throws
   * INVALID_SPEC where this loader cannot start such a task, EXECUTOR_UNAVAILABLE where the host lacks what it needs.
   */
  plan(spec: ContainerSpec, host?: Host): LaunchPlan | Promise<LaunchPlan>;
  /** Present where this loader can checkpoint what it started. */
  readonly checkpoint?: Mechanism;
}

/** A loader as its folder exports it. */
export interface LoaderPlugin<C = unknown> {
  readonly name: string;
  readonly apiVersion: 1;
  /** JSON Schema of its configuration. */
  readonly configSchema: object;
  create(config: C): Loader;
}
