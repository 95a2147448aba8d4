import { copyFileSync, truncateSync } from 'node:fs';
import { joinMaps } from './join-maps.js';
import { copyEntries, type PageTable } from './page-table.js';
import { planReading, type ReadPlan, type ReadSpec } from './read-plan.js';
import {
  checkData,
  copySlice,
  countDifferences,
  countPages,
  indexData,
  rootsOf,
  type TargetFile,
} from './read-work.js';
import { finishWriting, type ImageWriter, openWriter, takeUpData, type WriteSpec } from './write-work.js';

const writers = new Map<number, ImageWriter>();

/** What a worker can be asked for, each in milliseconds of work. Everything throws as it likes. */
export const calls = {
  /** Stores one segment of the image that is written under `job`. */
  segment: (job: number, spec: WriteSpec, index: number): void => {
    const writer = writers.get(job) ?? openWriter(spec);
    writers.set(job, writer);
    writer.segment(index);
  },
  /** Writes what is held back for `job`; or forgets it, where it was given up. */
  close: (job: number, keep: boolean): void => {
    const writer = writers.get(job);
    writers.delete(job);
    // Its worker was started anew meanwhile: what it held back is lost, and the image with it.
    if (keep && !writer) throw new Error('a worker of the image store lost what it held back');
    if (keep) writer?.flush();
    writer?.close();
  },
  takeUp: (spec: WriteSpec): number => takeUpData(spec),
  finish: (spec: WriteSpec) => finishWriting(spec),
  /** Copies a data file without its trailer; by reflink where the file system can. */
  copyFrames: (from: string, to: string, bytes: number): void => {
    copyFileSync(from, to, 2);
    truncateSync(to, bytes);
  },
  plan: (spec: ReadSpec): ReadPlan => planReading(spec),
  copy: (plan: ReadPlan, slice: number, targets: readonly TargetFile[]): void =>
    copySlice(plan, slice, targets),
  check: checkData,
  roots: rootsOf,
  differences: countDifferences,
  pagesIn: countPages,
  join: joinMaps,
  index: indexData,
  grow: (from: PageTable, to: PageTable): void => copyEntries(from, to),
};

/** What may be asked of a worker. */
export type Calls = typeof calls;
