import type { Catalog } from '../catalog/catalog.js';
import type { OperationLocks } from '../lifecycle/operation-lock.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import type { Executor } from '../plugin/executor.js';
import type { Registry } from '../plugin/registry.js';
import type { Audit } from '../policy/audit.js';
import type { RefusalMeter } from '../policy/refusal-meter.js';
import type { TriggerGate } from '../policy/trigger-gate.js';
import type { ImageStore } from '../store/image-store.js';
import type { Reserve } from '../store/reserve.js';
import type { SpecStore } from '../store/spec-store.js';
import type { Ledger } from './ledger.js';
import type { StorePolicy } from './store-policy.js';

/** What every operation works with. */
export interface Core {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly ledger: Ledger;
  readonly store: ImageStore;
  readonly storePolicy: StorePolicy;
  readonly specs: SpecStore;
  /** Room held back for what frees room. */
  readonly reserve: Reserve;
  readonly locks: OperationLocks;
  readonly gate: TriggerGate;
  readonly refusals: RefusalMeter;
  readonly audit: Audit;
  readonly log: (message: string) => void;
  /** Aborts when the service ends. */
  readonly closing: AbortSignal;
}

/** The executor that a container runs in. */
export function executorOf(core: Core, spec: Pick<ContainerSpec, 'environment' | 'executor'>): Executor {
  return core.registry.executor(spec.environment, spec.executor);
}

/** The record as it is now. The caller holds the container's lock, so it cannot have gone. */
export function recordOf(core: Core, uid: string): ContainerRecord {
  const record = core.catalog.containerByUid(uid);
  if (!record) throw new Error(`container ${uid} vanished under its lock`);
  return record;
}
