import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Engine, WORKERS } from './engine.js';
import type { Pace } from './pace.js';
import type { DataSource, ReadSpec } from './read-plan.js';
import type { TargetFile } from './read-work.js';

/** How much work is done at a time, for whom. */
export interface ReadOptions {
  readonly priority: number;
  readonly signal?: AbortSignal;
  readonly pace?: Pace;
}

/** Writes files of an image out, sparse: one worker from the first page on, the other from the last, until they meet. */
export async function readImage(
  engine: Engine,
  spec: ReadSpec,
  targets: readonly TargetFile[],
  { priority, signal }: ReadOptions,
): Promise<void> {
  for (const directory of new Set(targets.map(target => dirname(target.path))))
    await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const { path, bytes } of targets) {
    const file = await open(path, 'w', 0o600);
    await file.truncate(bytes).finally(() => file.close());
  }
  const { value: plan } = await engine.ask('plan', [spec], { priority });
  let next = 0;
  let end = plan.cuts.length;
  await inLanes(async lane => {
    // Neighbours need the same frames, which a worker keeps from one to the next.
    while (next < end) {
      signal?.throwIfAborted();
      await engine.ask('copy', [plan, lane % 2 === 0 ? next++ : --end, targets], { priority });
    }
  });
}

/** Checks a data file: every byte of it, and every page's hash. Throws CHECKPOINT_CORRUPT. */
export async function checkSource(
  engine: Engine,
  source: DataSource,
  { priority, signal, pace }: ReadOptions,
): Promise<void> {
  for (let from: number | undefined = 0; from !== undefined; ) {
    signal?.throwIfAborted();
    await pace?.wait(Math.min(source.bytes, 4 * 2 ** 20), signal);
    from = (await engine.ask('check', [source, from], { priority })).value;
  }
}

async function inLanes(lane: (index: number) => Promise<void>): Promise<void> {
  const ended = await Promise.allSettled(Array.from({ length: WORKERS }, (_, index) => lane(index)));
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}
