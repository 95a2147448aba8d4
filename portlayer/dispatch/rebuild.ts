import type { Catalog } from '../catalog/catalog.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { Registry } from '../plugin/registry.js';
import type { ImageStore } from '../store/image-store.js';
import type { SpecStore } from '../store/spec-store.js';
import { createLedger } from './ledger.js';
import { readmitManifests } from './recovery.js';

/** What a rebuilt catalog holds. */
export interface Rebuilt {
  readonly checkpoints: number;
  readonly containers: number;
  /** Of these containers, how many were found running. */
  readonly running: number;
}

/**
 * Fills an empty catalog from what is on disk: checkpoints from their manifests, containers from their specs and
 * from what their executors find. Legal only while no service runs. Lost: events, remembered calls, checkpoints
 * that were captured and not committed.
 */
export async function rebuild(parts: {
  readonly catalog: Catalog;
  readonly store: ImageStore;
  readonly specs: SpecStore;
  readonly registry: Registry;
  readonly log: (message: string) => void;
}): Promise<Rebuilt> {
  const { catalog, specs, registry } = parts;
  const ledger = createLedger(catalog);
  const checkpoints = await readmitManifests({ ...parts, ledger });
  const counts = { containers: 0, running: 0 };
  for (const { uid, spec } of await specs.list()) {
    const executor = registry.executor(spec.environment, spec.executor);
    const handle = executor.handleFor(uid);
    const found = await executor.recover(uid, handle, AbortSignal.timeout(30_000));
    const head = catalog.checkpoints({ states: ['committed'], containerUid: uid, limit: 1 }).items[0];
    const record: ContainerRecord = {
      uid,
      spec,
      // What ended, or how it is running, the next start finds out: it recovers a container that it believes to run.
      state: found === 'gone' ? 'created' : 'running',
      generation: 0,
      createdAtMs: Date.now(),
      handle,
      layers: head?.image?.layers ?? [],
      ...(head ? { head: head.crid, restoredFrom: head.crid } : {}),
      ...(head?.iteration === undefined
        ? {}
        : { loop: { iteration: head.iteration, startedAtMs: Date.now() } }),
    };
    ledger.write({ container: record, type: 'rebuilt' });
    counts.containers += 1;
    if (found === 'running') counts.running += 1;
  }
  return { checkpoints, ...counts };
}
