/** How much of what runs a checkpoint keeps, each including the one before it. */
export const PRESERVED = [
  /** Files of the writable layer. */
  'disk',
  /** And memory and processes. */
  'process',
  /** And the kernel under them. */
  'machine',
] as const;

/** One of {@link PRESERVED}. */
export type Preserved = (typeof PRESERVED)[number];

/** Where a checkpoint can be restored: only where it was taken, or in another place that meets its constraints too. */
export type Reach = 'here' | 'elsewhere';

const ADDED: Readonly<Record<Preserved, readonly string[]>> = {
  disk: ['files'],
  process: ['memory', 'processes'],
  machine: ['kernel'],
};

/** True where a checkpoint that keeps `has` keeps all that one of `wanted` does. */
export function keepsAsMuch(has: Preserved, wanted: Preserved): boolean {
  return PRESERVED.indexOf(has) >= PRESERVED.indexOf(wanted);
}

/** What a checkpoint of `wanted` keeps and one of `has` does not, in words: `memory`, `processes`, `kernel`. */
export function notKept(wanted: Preserved, has: Preserved): readonly string[] {
  const from = PRESERVED.indexOf(has) + 1;
  return PRESERVED.slice(from, PRESERVED.indexOf(wanted) + 1).flatMap(each => ADDED[each]);
}
