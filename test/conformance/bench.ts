import type { ExitResult } from '../../portlayer/model/container-record.js';
import { type ContainerSpec, compileContainerSpec } from '../../portlayer/model/container-spec.js';
import { newUlid } from '../../portlayer/model/ids.js';
import type { Executor, LogEntry } from '../../portlayer/plugin/executor.js';
import type { Loader } from '../../portlayer/plugin/loader.js';

/** What a plugin's author brings: how to make the executor under test. */
export interface ExecutorSubject {
  /** Makes the executor; called again to play a service that restarts. Always on the same state. */
  create(): Promise<Executor>;
  /** The loader whose plans it is given. */
  readonly loader: Loader;
  /** Fields that every spec needs there: `rootfs`, `environment`, … The task needs `/bin/sh` and coreutils inside. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Layers hold blocks of a disk, not files: the same files need not make the same layer. */
  readonly layersOfBlocks?: true;
  /** Why nothing can be tested here; the whole suite is then skipped with that reason. */
  readonly skip?: string;
  /** Removes the state. */
  cleanUp(): Promise<void>;
}

/** How one container of a test is to differ from the plainest. */
export interface StartOptions {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly layers?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: string;
}

/** Longer than anything a suite waits for; shorter than mocha's patience with it. */
const patienceMs = 20_000;

/** An executor under test with what its tests started, so that all of it goes again. */
export class Bench {
  readonly #subject: ExecutorSubject;
  readonly #uids = new Set<string>();
  readonly #layers = new Set<string>();
  #executor: Executor | undefined;

  constructor(subject: ExecutorSubject) {
    this.#subject = subject;
  }

  /** The executor as it is now; another after {@link restart}. */
  get executor(): Executor {
    if (!this.#executor) throw new Error('the bench is not open');
    return this.#executor;
  }

  get loader(): Loader {
    return this.#subject.loader;
  }

  /** Whether equal files make equal layers. */
  get comparesFiles(): boolean {
    return this.#subject.layersOfBlocks !== true;
  }

  async open(): Promise<void> {
    this.#executor = await this.#subject.create();
  }

  /** What happens when the service is restarted: all that runs goes on without it. */
  async restart(): Promise<void> {
    await this.executor[Symbol.asyncDispose]();
    this.#executor = await this.#subject.create();
  }

  /** The plainest legal spec with this shell script as its task. */
  spec(script: string, more: Readonly<Record<string, unknown>> = {}): ContainerSpec {
    return compileContainerSpec({
      name: 'conformance',
      task: { argv: ['sh', '-c', script] },
      ...this.#subject.spec,
      ...more,
    });
  }

  /** Starts a shell script as a task; the container's uid. */
  async start(script: string, options: StartOptions = {}): Promise<string> {
    const spec = this.spec(script, options.spec);
    const uid = options.uid ?? newUlid();
    this.#uids.add(uid);
    const { layers = [], env = {} } = options;
    await this.executor.check(spec);
    const launch = await this.loader.plan(spec);
    await this.executor.start({ uid, spec, launch, layers, env }, deadline());
    return uid;
  }

  wait(uid: string): Promise<ExitResult> {
    return this.executor.wait(uid, deadline());
  }

  /** Starts, waits for the end, and reads the log. */
  async run(
    script: string,
    options: StartOptions = {},
  ): Promise<{ uid: string; exit: ExitResult; output: string }> {
    const uid = await this.start(script, options);
    const exit = await this.wait(uid);
    return { uid, exit, output: await this.output(uid) };
  }

  /** What the log holds now, without times. */
  async output(uid: string): Promise<string> {
    return textOf(await collect(this.executor.logs(uid, { follow: false }, deadline())));
  }

  /** Waits until the container has said a line that `pattern` matches; that line. */
  async said(uid: string, pattern: RegExp): Promise<string> {
    for await (const entry of this.executor.logs(uid, { follow: true }, deadline())) {
      if (pattern.test(entry.text)) return entry.text;
    }
    throw new Error(
      `the container ended, or did not say ${pattern} in time; it said: ${await this.output(uid)}`,
    );
  }

  /** A new layer's id, removed with the rest. */
  layer(): string {
    const layer = newUlid();
    this.#layers.add(layer);
    return layer;
  }

  /** Removes what the last test made. */
  async clear(): Promise<void> {
    for (const uid of this.#uids) await this.executor.destroy(uid);
    for (const layer of this.#layers) await this.executor.disk.remove(layer);
    this.#uids.clear();
    this.#layers.clear();
  }

  async close(): Promise<void> {
    if (this.#executor) {
      await this.clear();
      await this.#executor[Symbol.asyncDispose]();
    }
    await this.#subject.cleanUp();
  }
}

/** A signal that ends a test which would hang. */
export function deadline(ms: number = patienceMs): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** All of an asynchronous sequence. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Log entries as the task wrote them. */
export function textOf(entries: readonly LogEntry[]): string {
  return entries.map(entry => entry.text + (entry.endsLine ? '\n' : '')).join('');
}
