import type { Constraint } from '../model/constraint.js';
import type { ContainerRecord } from '../model/container-record.js';
import type { ContainerSpec } from '../model/container-spec.js';
import { specConstraints } from '../model/spec-constraints.js';
import type { FidelityCard } from '../plugin/mechanism.js';

/** The task-level mechanism that the core itself has, on every executor with a writable layer. */
export const EXIT_CODE = 'exit-code';

/** What the exit-code mechanism keeps and loses. Source: design/mechanisms/exit-code.md. */
export const exitCodeCard: FidelityCard = {
  preserves: 'disk',
  restores: 'elsewhere',
  keeps: ['files of the writable layer'],
  loses: ['memory', 'processes', 'open sockets', 'timers', 'volumes'],
  needs: ['a task that records its state, exits with its checkpoint code, and goes on when it is run again'],
};

/** What a restore of an A′ needs of its target: somewhere to run the same task with the same disk. */
export function exitCodeConstraints(spec: ContainerSpec): readonly Constraint[] {
  return specConstraints(spec, { executor: ['run', 'writable-layer'] });
}

/** Why the progress guard stops the loop, or undefined where it does not. Checked before the next iteration begins. */
export function guardVerdict(
  record: ContainerRecord,
  iteration: number,
  digest: string | undefined,
  nowMs: number,
): string | undefined {
  const convention = record.spec.task.exitCode;
  if (!convention) return undefined;
  if (digest !== undefined && digest === record.loop?.lastDigest) {
    return `iterations ${iteration - 1} and ${iteration} left the same state (${digest.slice(0, 19)}…): no progress`;
  }
  if (iteration >= convention.maxIterations) return `${iteration} iterations, the most allowed`;
  const elapsedMs = nowMs - (record.loop?.startedAtMs ?? nowMs);
  if (convention.maxDurationMs > 0 && elapsedMs >= convention.maxDurationMs) {
    return `${elapsedMs} ms, longer than the ${convention.maxDurationMs} ms allowed`;
  }
  return undefined;
}
