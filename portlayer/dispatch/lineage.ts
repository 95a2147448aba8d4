import { CHECKPOINT_STATES, type CheckpointRecord } from '../model/checkpoint-record.js';
import type { Core } from './core.js';
import type { LineageNode } from './dispatch.js';
import { findCheckpoint } from './find.js';

const LISTED = CHECKPOINT_STATES.filter(state => state !== 'failed' && state !== 'removed');
const ALL = 1_000_000;

/**
 * The lineage below `root`, or of everything: parents before their children, siblings by age. With `container`:
 * only its checkpoints and their ancestors.
 */
export function lineage(
  core: Core,
  root: string | undefined,
  container: string | undefined,
): readonly LineageNode[] {
  const all = core.catalog.checkpoints({ states: LISTED, limit: ALL }).items;
  const known = new Map(all.map(record => [record.crid, record]));
  const children = new Map<string, CheckpointRecord[]>();
  // Oldest first: a CRID sorts by time.
  for (const record of [...all].reverse()) {
    const parent = record.parent !== undefined && known.has(record.parent) ? record.parent : '';
    children.set(parent, [...(children.get(parent) ?? []), record]);
  }
  const wanted = container === undefined ? undefined : withAncestors(all, known, container);
  const copies = copiesByCheckpoint(core);
  const nodes: LineageNode[] = [];
  const roots = root === undefined || root === '' ? (children.get('') ?? []) : [findCheckpoint(core, root)];
  const stack = roots.map(checkpoint => ({ checkpoint, parentIndex: -1 })).reverse();
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { checkpoint, parentIndex } = next;
    if (wanted && !wanted.has(checkpoint.crid)) continue;
    nodes.push({ checkpoint, parentIndex, containers: copies.get(checkpoint.crid) ?? [] });
    const index = nodes.length - 1;
    const below = children.get(checkpoint.crid) ?? [];
    stack.push(...below.map(child => ({ checkpoint: child, parentIndex: index })).reverse());
  }
  return nodes;
}

function withAncestors(
  all: readonly CheckpointRecord[],
  known: ReadonlyMap<string, CheckpointRecord>,
  container: string,
): Set<string> {
  const wanted = new Set<string>();
  for (const record of all) {
    if (record.container !== container) continue;
    for (
      let at: CheckpointRecord | undefined = record;
      at && !wanted.has(at.crid);
      at = at.parent ? known.get(at.parent) : undefined
    ) {
      wanted.add(at.crid);
    }
  }
  return wanted;
}

function copiesByCheckpoint(core: Core): Map<string, string[]> {
  const copies = new Map<string, string[]>();
  for (const container of core.catalog.containers({ limit: ALL }).items) {
    if (container.restoredFrom === undefined) continue;
    copies.set(container.restoredFrom, [...(copies.get(container.restoredFrom) ?? []), container.spec.name]);
  }
  return copies;
}
