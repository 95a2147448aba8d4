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
  const draw = (index: number, stroke: string, indent: string) => {
    const node = nodes[index];
    if (!node) return;
    lines.push(`${stroke}${describe(node, nowMs)}`);
    const below = children.get(index) ?? [];
    const leaves = node.containers.map(name => `${strokes.arrow} ${name} (${states.get(name) ?? 'gone'})`);
    leaves.forEach((leaf, at) => {
      const isLast = at === leaves.length - 1 && below.length === 0;
      lines.push(`${indent}${isLast ? strokes.last : strokes.tee}${leaf}`);
    });
    below.forEach((child, at) => {
      const isLast = at === below.length - 1;
      draw(
        child,
        `${indent}${isLast ? strokes.last : strokes.tee}`,
        `${indent}${isLast ? '   ' : strokes.bar}`,
      );
    });
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
