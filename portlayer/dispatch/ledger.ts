import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord } from '../model/checkpoint-record.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { Event } from '../model/event.js';

/** One change to write. Each has its event: nothing happens to a container or a checkpoint without one. */
export type Change =
  | { readonly container: ContainerRecord; readonly type: string; readonly facts?: Event['facts'] }
  | { readonly checkpoint: CheckpointRecord; readonly type: string; readonly facts?: Event['facts'] }
  | { readonly dropContainer: ContainerRecord }
  | { readonly dropCheckpoint: CheckpointRecord }
  | {
      readonly about: 'container' | 'checkpoint';
      readonly id: string;
      readonly type: string;
      readonly facts?: Event['facts'];
    };

/** The one way in which records change. */
export interface Ledger {
  /** Writes all changes and their events in one transaction, then tells those who watch. Containers' generations rise by one. */
  write(...changes: readonly Change[]): void;
  /** Called with each event after it is written. Returns how to stop. */
  watch(listener: (event: Event) => void): () => void;
  /** Events from a sequence number on (0: only new ones), then as they happen where `follow`. */
  events(since: number, follow: boolean, signal: AbortSignal): AsyncIterable<Event>;
}

const BATCH = 500;

/** A ledger over the catalog. */
export function createLedger(catalog: Catalog): Ledger {
  const listeners = new Set<(event: Event) => void>();
  const ledger: Ledger = {
    write(...changes) {
      const events = catalog.transaction(() => changes.map(change => apply(catalog, change)));
      for (const event of events) for (const listener of [...listeners]) listener(event);
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async *events(since, follow, signal) {
      let next = since === 0 ? catalog.lastSequence() + 1 : since;
      let wake = (): void => {};
      const unwatch = ledger.watch(() => wake());
      signal.addEventListener('abort', () => wake(), { once: true });
      try {
        while (!signal.aborted) {
          const woken = new Promise<void>(resolve => {
            wake = resolve;
          });
          const batch = catalog.eventsFrom(next, BATCH);
          for (const event of batch) yield event;
          next = (batch.at(-1)?.sequence ?? next - 1) + 1;
          if (batch.length === BATCH) continue;
          if (!follow) return;
          if (!signal.aborted) await woken;
        }
      } finally {
        unwatch();
      }
    },
  };
  return ledger;
}

function apply(catalog: Catalog, change: Change): Event {
  const event = { atMs: Date.now(), ...describe(catalog, change) };
  return { sequence: catalog.appendEvent(event), ...event };
}

function describe(catalog: Catalog, change: Change): Omit<Event, 'sequence' | 'atMs'> {
  if ('container' in change) {
    const { container } = change;
    catalog.putContainer({ ...container, generation: container.generation + 1 });
    return {
      subject: 'container',
      id: container.spec.name,
      type: change.type,
      facts: { uid: container.uid, ...change.facts },
    };
  }
  if ('checkpoint' in change) {
    const { checkpoint } = change;
    catalog.putCheckpoint(checkpoint);
    const facts = { container: checkpoint.container, mechanism: checkpoint.mechanism, ...change.facts };
    return { subject: 'checkpoint', id: checkpoint.crid, type: change.type, facts };
  }
  if ('dropContainer' in change) {
    catalog.dropContainer(change.dropContainer.uid);
    return {
      subject: 'container',
      id: change.dropContainer.spec.name,
      type: 'removed',
      facts: { uid: change.dropContainer.uid },
    };
  }
  if ('dropCheckpoint' in change) {
    catalog.dropCheckpoint(change.dropCheckpoint.crid);
    return { subject: 'checkpoint', id: change.dropCheckpoint.crid, type: 'removed', facts: {} };
  }
  return { subject: change.about, id: change.id, type: change.type, facts: change.facts ?? {} };
}
