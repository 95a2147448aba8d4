/** The four levels, from the outermost in. A container is one binding of the four, plus its volumes. */
export const LEVELS = ['environment', 'executor', 'loader', 'task'] as const;

/** One of {@link LEVELS}. */
export type Level = (typeof LEVELS)[number];
