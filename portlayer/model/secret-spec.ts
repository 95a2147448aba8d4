/** A value that the port layer injects at each start and each restore, and that is never part of a spec or a record. */
export interface SecretSpec {
  readonly name: string;
  /** An absolute file of the environment's host that holds the value; it is read anew each time. */
  readonly source: string;
  /** The environment variable that it becomes. A restore that keeps memory does not change it. */
  readonly env?: string;
  /** The file inside that it becomes, read-only. */
  readonly target?: string;
}

/** Less than this is found everywhere by chance. */
export const LEAST_SECRET_BYTES = 6;
export const MOST_SECRET_BYTES = 65_536;
