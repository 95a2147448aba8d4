/** One thing that a host still has of a run that nothing watches over any more. */
export interface Leftover {
  /** The container whose run it was. */
  readonly uid: string;
  readonly kind: 'process' | 'mount' | 'cgroup' | 'state';
  /** What it is called on its host: a path, or a pid with its name. */
  readonly id: string;
}

/**
 * Facet: what a kill left behind of containers in this executor's own directories. A start or a restore that is under
 * way may show for a moment; to {@link sweep} it makes no difference.
 */
export interface Leftovers {
  /** Looks only. */
  list(): Promise<readonly Leftover[]>;
  /** Removes all that is left of one container's run, unless something watches over it. Idempotent. No start of it may be under way. */
  sweep(uid: string): Promise<void>;
}
