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
