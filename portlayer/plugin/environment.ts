import type { CapabilitySet, Fingerprint } from '../model/capability.js';
import type { Host } from './host.js';

/** The place in which executors run things. */
export interface Environment extends AsyncDisposable {
  /** Unique among the configured environments: `local`, `build-2`, … */
  readonly name: string;
  /** `local`, `ssh`, `vsphere`. */
  readonly kind: string;
  readonly capabilities: CapabilitySet;
  /** The first value at once, then one on each change, until the signal aborts. */
  fingerprint(signal: AbortSignal): AsyncIterable<Fingerprint>;
  /** Present where the environment is a Linux host. */
  readonly host?: Host;
}

/** What the core gives an environment to work with. */
export interface EnvironmentServices {
  /** The environment's name in the configuration. */
  readonly name: string;
  /** Where this service keeps its things on its own host; absolute, exists, mode 0700. */
  readonly stateDirectory: string;
  /** The init, the monitor and the guest tool, as one static binary on the service's own host. */
  readonly initBinary: string;
  /** Only for a look: no service stands behind it, and one may be at work beside it. */
  readonly looking?: boolean;
  /** Writes one line to the service's own log. */
  readonly log: (message: string) => void;
}

/**
 * A kind of environment: data plus one `create`; no effect on import. `create` must not wait for the place itself: a
 * host or a vCenter that cannot be reached shows in the fingerprint and in calls, and the service starts without it.
 */
export interface EnvironmentPlugin<C = unknown> {
  /** `ssh`, `vsphere`, …: what `kind` says in the configuration. */
  readonly kind: string;
  readonly apiVersion: 1;
  /** JSON Schema of its settings, without `kind` and `plugins`. */
  readonly configSchema: object;
  create(config: C, services: EnvironmentServices): Promise<Environment>;
}
