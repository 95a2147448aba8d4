/** Something that happened to a container or a checkpoint. Nothing happens to them without one. */
export interface Event {
  /** Rises by one with each event of this service, without gaps; `since` takes it. */
  readonly sequence: number;
  readonly atMs: number;
  /** `container` or `checkpoint`. */
  readonly subject: 'container' | 'checkpoint';
  /** The container's name or the checkpoint's CRID. */
  readonly id: string;
  /** What happened: the state entered, or `published`, `unpublished`, `updated`, `trigger-refused`, `link-dropped`. */
  readonly type: string;
  /** Further facts: container, reason, exit code, phase. */
  readonly facts: Readonly<Record<string, string>>;
}
