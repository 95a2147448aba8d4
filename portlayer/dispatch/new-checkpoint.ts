import type { CheckpointRecord, TriggerSource } from '../model/checkpoint-record.js';
import type { Constraint } from '../model/constraint.js';
import type { ContainerRecord } from '../model/container-record.js';
import { newUlid } from '../model/ids.js';
import type { Level } from '../model/level.js';
import type { Core } from './core.js';

/** What a new checkpoint's record is made of. */
export interface NewCheckpoint {
  readonly container: ContainerRecord;
  readonly mechanism: string;
  readonly level: Level;
  readonly source: TriggerSource;
  readonly labels: Readonly<Record<string, string>>;
  readonly constraints: readonly Constraint[];
}

/** A record in state `requested`, with its CRID and ordinal; not written yet. */
export function newCheckpoint(core: Pick<Core, 'catalog'>, from: NewCheckpoint): CheckpointRecord {
  const { container } = from;
  return {
    crid: newUlid(),
    ordinal: core.catalog.nextOrdinal(),
    state: 'requested',
    mechanism: from.mechanism,
    level: from.level,
    source: from.source,
    container: container.spec.name,
    containerUid: container.uid,
    spec: container.spec,
    ...(container.head === undefined ? {} : { parent: container.head }),
    labels: { ...container.spec.labels, ...from.labels },
    constraints: from.constraints,
    phases: {},
    createdAtMs: Date.now(),
  };
}
