/** One line of the table. Texts are for people; `figures` is what they were made from, for `--json`. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  /** What the same machine does in the same run without us, or `-` where there is no such thing. */
  readonly floor: string;
  readonly ratio: string;
  readonly target: string;
  /** Absent where there is no target, or the real part is missing. */
  readonly reached?: boolean;
  /** Medians, least and most; the unit is in each name. */
  readonly figures: Readonly<Record<string, number>>;
}

/** A set of rows that is measured together. It cleans up after itself, also where it fails. */
export interface Bench {
  /** As `npm run bench NAME` knows it. */
  readonly name: string;
  run(): Promise<readonly Row[]>;
}

/** The row of a bench whose real part is not on this machine: never a figure from something else. */
export function skippedRow(what: string, target: string, reason: string): Row {
  return { what, ours: `skipped: ${reason}`, floor: '-', ratio: '-', target, figures: {} };
}
