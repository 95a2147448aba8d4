import type { CheckpointNode, Container } from '../client/client.js';
import { humanAge, humanSize } from './units.js';

/** How a tree's branches are drawn. */
export interface Strokes {
  readonly tee: string;
  readonly last: string;
  readonly bar: string;
  readonly arrow: string;
}

/** For a UTF-8 terminal. */
export const BOX: Strokes = { tee: '├─ ', last: '└─ ', bar: '│  ', arrow: '→' };
/** For any other. */
export const ASCII: Strokes = { tee: '|- ', last: '`- ', bar: '|  ', arrow: '->' };

/**
 * The lineage as lines: each checkpoint under its parent, and under each the containers that were restored from it.
 * An only child stands right below its parent; several are branches.
 *
 * @param states the state of each container by name
 */
export function treeLines(
  nodes: readonly CheckpointNode[],
  states: ReadonlyMap<string, Container['state']>,
  strokes: Strokes,
  nowMs: number,
): string[] {
  const children = new Map<number, number[]>();
  nodes.forEach((node, index) => {
    children.set(node.parentIndex, [...(children.get(node.parentIndex) ?? []), index]);
  });
  const lines: string[] = [];
  // A line of descent stays in its column; only where it branches do the branches step in.
  const draw = (from: number, stroke: string, indent: string) => {
    let lead = stroke;
    for (let at: number | undefined = from; at !== undefined; lead = indent) {
      const node: CheckpointNode | undefined = nodes[at];
      if (!node) return;
      lines.push(`${lead}${describe(node, nowMs)}`);
      const leaves = node.containers.map(name => `${strokes.arrow} ${name} (${states.get(name) ?? 'gone'})`);
      const below: readonly number[] = children.get(at) ?? [];
      at = undefined;
      if (leaves.length + below.length === 1) {
        for (const leaf of leaves) lines.push(`${indent}${leaf}`);
        at = below[0];
      } else {
        leaves.forEach((leaf, i) => {
          const isLast = i === leaves.length - 1 && below.length === 0;
          lines.push(`${indent}${isLast ? strokes.last : strokes.tee}${leaf}`);
        });
        below.forEach((child, i) => {
          const isLast = i === below.length - 1;
          draw(
            child,
            `${indent}${isLast ? strokes.last : strokes.tee}`,
            `${indent}${isLast ? '   ' : strokes.bar}`,
          );
        });
      }
    }
  };
  for (const root of children.get(-1) ?? []) draw(root, '', '');
  return lines;
}

function describe({ checkpoint }: CheckpointNode, nowMs: number): string {
  const { crid, container, mechanism, state, iteration, bytes, createdAt, published } = checkpoint;
  const parts = [crid, container, mechanism, state];
  if (iteration > 0) parts.push(`#${iteration}`);
  parts.push(humanSize(bytes), humanAge(createdAt, nowMs));
  if (published) parts.push(`[${published}]`);
  return parts.join('  ');
}
