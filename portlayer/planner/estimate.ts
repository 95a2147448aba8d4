/** What is expected of a number, from numbers seen before. */
export interface Interval {
  /** Four out of five further ones are expected between these two. */
  readonly low: number;
  readonly high: number;
  readonly likely: number;
  /** How many it was learnt from. */
  readonly samples: number;
}

/** What a checkpoint is expected to cost. */
export interface Estimate {
  /** How long the task stands still, in milliseconds. */
  readonly pauseMs: Interval;
  /** From the request until it is captured, in milliseconds. */
  readonly totalMs: Interval;
  /** What it adds to the store. */
  readonly bytes: Interval;
  /** Whose past it was learnt from: this container's, or that of others on this host. */
  readonly from: 'container' | 'host';
}

/** One checkpoint of the past. */
export interface Sample {
  readonly pauseMs: number;
  readonly totalMs: number;
  readonly bytes: number;
}

/** Quantile 0.9 of Student's t for 1, 2, … degrees of freedom; beyond the last it is near that of the normal distribution. */
const T90 = [3.078, 1.886, 1.638, 1.533, 1.476, 1.44, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.35, 1.345];
const T90_LARGE = 1.31;
/** One sample says nothing of the spread: a factor of so much either way. */
const LONE_FACTOR = 4;
/** Two equal samples are no promise: the spread counts as at least this, as a factor. */
const LEAST_SPREAD = Math.log(1.1);
/** Times and sizes are positive; less than this cannot be told from nothing. */
const LEAST = 1e-3;

/** What past checkpoints, newest first, say of the next one; undefined where there are none. Pure. */
export function estimateFrom(samples: readonly Sample[], from: Estimate['from']): Estimate | undefined {
  if (samples.length === 0) return undefined;
  return {
    pauseMs: expect(samples.map(sample => sample.pauseMs)),
    totalMs: expect(samples.map(sample => sample.totalMs)),
    bytes: expect(samples.map(sample => sample.bytes)),
    from,
  };
}

/** A prediction interval of 80 % for the next of some positive numbers, which are taken as log-normal: times and sizes scatter by factors. */
export function expect(values: readonly number[]): Interval {
  const logs = values.map(value => Math.log(Math.max(LEAST, value)));
  const n = logs.length;
  const mean = logs.reduce((sum, log) => sum + log, 0) / n;
  if (n === 1) return interval(mean, Math.log(LONE_FACTOR), n);
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (n - 1);
  const spread = Math.max(Math.sqrt(variance), LEAST_SPREAD);
  return interval(mean, (T90[n - 2] ?? T90_LARGE) * spread * Math.sqrt(1 + 1 / n), n);
}

function interval(mean: number, half: number, samples: number): Interval {
  return { low: Math.exp(mean - half), likely: Math.exp(mean), high: Math.exp(mean + half), samples };
}
