import type { CheckpointRecord, CheckpointState } from '../model/checkpoint-record.js';
import type { ContainerRecord, ContainerState } from '../model/container-record.js';
import type { Event } from '../model/event.js';
import type { Level } from '../model/level.js';

/** One page of records and where the next begins. */
export interface Slice<T> {
  readonly items: readonly T[];
  /** Key of the last item where more follow: hand it back as `after`. */
  readonly next?: string;
}

/** Which containers. Every given part must match; a label with an empty value matches any value. */
export interface ContainerQuery {
  readonly states?: readonly ContainerState[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly after?: string;
  readonly limit: number;
}

/** Which checkpoints, newest first. Every given part must match. */
export interface CheckpointQuery {
  readonly states: readonly CheckpointState[];
  readonly level?: Level;
  readonly mechanism?: string;
  readonly container?: string;
  readonly containerUid?: string;
  readonly parent?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly published?: boolean;
  readonly after?: string;
  readonly limit: number;
}

/** A remembered answer to a call with a request id. */
export interface RememberedCall {
  /** Digest of the call's method and content. */
  readonly digest: string;
  readonly result: unknown;
}

/**
 * Records of containers, checkpoints and events. Synchronous: each call is a few tens of microseconds, and a
 * transaction never waits for anything else. Throws STORE_FULL where the disk is, INTERNAL for a damaged file.
 */
export interface Catalog {
  /** All or nothing; nests. */
  transaction<T>(body: () => T): T;

  container(name: string): ContainerRecord | undefined;
  containerByUid(uid: string): ContainerRecord | undefined;
  putContainer(record: ContainerRecord): void;
  dropContainer(uid: string): void;
  containers(query: ContainerQuery): Slice<ContainerRecord>;

  checkpoint(crid: string): CheckpointRecord | undefined;
  /** The published one of that `name:tag`. */
  checkpointByReference(reference: string): CheckpointRecord | undefined;
  /** At most two, so that the caller sees an ambiguity. */
  checkpointsByPrefix(prefix: string): readonly CheckpointRecord[];
  putCheckpoint(record: CheckpointRecord): void;
  dropCheckpoint(crid: string): void;
  checkpoints(query: CheckpointQuery): Slice<CheckpointRecord>;
  /** Every CRID in a state, oldest first. */
  crids(states: readonly CheckpointState[]): readonly string[];
  /** A number never given before: 1, 2, … */
  nextOrdinal(): number;
  /** How many usable checkpoints of a container, or in all, there are, and what they added to the store. */
  usage(containerUid?: string): { readonly checkpoints: number; readonly bytes: number };
  /** True where a container or a checkpoint that is not removed stacks this layer. */
  layerIsUsed(layer: string): boolean;
  /** Uids and CRIDs of all that stack this layer. */
  layerOwners(layer: string): readonly string[];
  /** True where an image of a checkpoint that is not removed points into this image's data. */
  dataIsUsed(crid: string): boolean;
  /** CRIDs of all whose images point into this image's data. */
  dataUsers(crid: string): readonly string[];

  /** Appends an event and returns its sequence number. */
  appendEvent(event: Omit<Event, 'sequence'>): number;
  /** Events from a sequence number on, oldest first. */
  eventsFrom(sequence: number, limit: number): readonly Event[];
  lastSequence(): number;

  remembered(requestId: string): RememberedCall | undefined;
  remember(requestId: string, call: RememberedCall): void;

  /** Forgets events beyond the newest 100,000 and calls older than a day. */
  prune(nowMs: number): void;
  close(): void;
}
