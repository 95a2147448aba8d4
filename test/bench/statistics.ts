/** What is told of a series of measurements. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly p95: number;
}

/** Median, least, most and 95th percentile of at least one value. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { median: at(0.5), min: sorted[0]!, max: sorted.at(-1)!, p95: at(0.95) };
}

/** `4.2 ms (3.9–17)`: the median, then least and most. */
export function spread(summary: Summary, unit: string): string {
  const range = `${digits(summary.min)}–${digits(summary.max)}`;
  return `${digits(summary.median)} ${unit} (${range})`;
}

/** Three significant digits, thousands with a comma: more would be noise. */
export function digits(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

/** The members of a summary as figures: `oursMs` becomes `oursMs`, `oursMsMin`, `oursMsMax`, `oursMsP95`. */
export function figuresOf(name: string, summary: Summary): Record<string, number> {
  const { median, min, max, p95 } = summary;
  return { [name]: median, [`${name}Min`]: min, [`${name}Max`]: max, [`${name}P95`]: p95 };
}
