import type { ExitResult } from '../../portlayer/model/container-record.js';
import type { StartRequest } from '../../portlayer/plugin/executor.js';

/** What a fake task is, as a test scripts it: a function that runs until it ends or is ended. */
export type FakeTask = (task: TaskControls) => Promise<number> | number;

/** What a fake task can do. */
export interface TaskControls {
  /** The writable layer and the layers under it, as one map; writes go to the writable one. */
  readonly files: { get(path: string): string | undefined; set(path: string, text: string): void };
  readonly request: StartRequest;
  /** Sends a line to the host, as the init would. */
  say(line: string): void;
  /** The next line from the host. */
  hear(): Promise<string>;
  /** Resolves with the number of the next signal. */
  signalled(): Promise<number>;
  print(text: string): void;
}

/** One container of the fake world, which goes on while services come and go. */
export interface FakeContainer {
  running: boolean;
  frozen: boolean;
  exit?: ExitResult;
  upper: Map<string, string>;
  layers: readonly string[];
  readonly log: string[];
  /** Lines to the host that no link has taken. */
  readonly outbox: string[];
  readonly inbox: string[];
  readonly signals: number[];
  /** Called whenever anything above changes. */
  readonly watchers: Set<() => void>;
  /** Rises with each start: a task of an earlier run cannot end a later one. */
  run: number;
}

/** Everything that outlives a fake executor: made by the test, handed to each service it starts. */
export interface FakeWorld {
  /** Which task runs for `argv[0]`. */
  readonly tasks: Map<string, FakeTask>;
  readonly containers: Map<string, FakeContainer>;
  readonly layers: Map<string, ReadonlyMap<string, string>>;
  /** Dumps of the fake mechanism, by CRID. */
  readonly dumps: Map<string, ReadonlyMap<string, string>>;
  /** Called before each operation with its name and the container's uid or the layer: throw, or wait, to script a fault. */
  before(operation: string, subject: string): Promise<void> | void;
}

/** An empty world. */
export function createFakeWorld(): FakeWorld {
  return { tasks: new Map(), containers: new Map(), layers: new Map(), dumps: new Map(), before: () => {} };
}

/** Tells everybody who waits on a container that something changed. */
export function changed(container: FakeContainer): void {
  for (const watcher of [...container.watchers]) watcher();
}

/** Resolves with the first defined value of `look`, asked now and after each change; rejects when the signal aborts. */
export function until<T>(
  container: FakeContainer,
  look: () => T | undefined,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      container.watchers.delete(check);
      signal?.removeEventListener('abort', abort);
    };
    const check = (): void => {
      const value = look();
      if (value === undefined) return;
      finish();
      resolve(value);
    };
    const abort = (): void => {
      finish();
      reject(signal?.reason);
    };
    container.watchers.add(check);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    else check();
  });
}
