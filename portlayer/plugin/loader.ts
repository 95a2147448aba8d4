import type { CapabilitySet, Fingerprint } from '../model/capability.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { Host } from './host.js';
import type { Mechanism } from './mechanism.js';

/** A file or directory of the host that a loader needs inside, read-only. */
export interface Brought {
  readonly source: string;
  readonly target: string;
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
  /** What a machine's loader adds (kernel, initramfs); executors that know none refuse a plan that has it. */
  readonly machine?: Readonly<Record<string, unknown>>;
}

/** What brings the task to life in an executor. */
export interface Loader {
  readonly name: string;
  readonly capabilities: CapabilitySet;
  fingerprint(host: Host | undefined, signal: AbortSignal): Promise<Fingerprint>;
  /** Pure. Throws INVALID_SPEC where this loader cannot start such a task. */
  plan(spec: ContainerSpec): LaunchPlan;
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
