/** How a container's start is remembered. */
export interface MemoSpec {
  /** False: neither restored from an entry nor made one. */
  readonly enabled: boolean;
  /** Absolute files or directories of the environment's host whose content counts. */
  readonly inputs: readonly string[];
  /** Environment variables that do not count: a container that is restored has those of the entry. */
  readonly ignoreEnv: readonly string[];
  /** An entry older than this is not used, in milliseconds. */
  readonly ttlMs: number;
}

/** What came of looking for an entry. */
export interface MemoOutcome {
  /** 40 hex digits: the entry's name is `memo:KEY`. */
  readonly key: string;
  /** What the key was made of, each as a digest, so that a miss can be explained. */
  readonly parts: Readonly<Record<string, string>>;
  readonly hit: boolean;
  /** Why it is a miss; of a hit: nothing. */
  readonly reason?: string;
  /** The entry that was restored. */
  readonly checkpoint?: string;
}
