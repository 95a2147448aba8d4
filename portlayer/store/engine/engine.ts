import { Worker } from 'node:worker_threads';
import { PortLayerError } from '../../errors/port-layer-error.js';
import type { Calls } from './calls.js';
import type { Answered, Asked } from './worker.js';

/** Who waits for a slice of work. The lower goes first; slices are short, so nobody waits long. */
export const PRIORITY = { restore: 0, commit: 1, background: 2 } as const;

/** How a slice is to be worked on. */
export interface SliceOptions {
  readonly priority: number;
  /** Which worker: those that hold something back for an image must be asked themselves. */
  readonly worker?: number;
}

/** What a slice came to, and which worker had it. */
export interface Sliced<T> {
  readonly value: T;
  readonly worker: number;
}

/** Two worker threads off the event loop, which take slices of work in the order of their priority. */
export interface Engine extends AsyncDisposable {
  /** Keeps the workers that run, until the returned function is called: they hold something back. */
  keepWorkers(): () => void;
  /** Until the returned function is called, slices of the lowest priority are held back, each by at most 400 ms. */
  giveWay(): () => void;
  /** Throws CHECKPOINT_CORRUPT for damage, STORE_FULL and errno errors as they are. */
  ask<C extends keyof Calls>(
    call: C,
    args: Parameters<Calls[C]>,
    options: SliceOptions,
  ): Promise<Sliced<ReturnType<Calls[C]>>>;
}

/** How many workers there are. */
export const WORKERS = 2;
/** After so long without work a worker ends: it takes 10 MiB. */
const IDLE_MS = 30_000;
/** So long a slice is held back at most: two slices of 4 MiB go on in that time, so that no commit waits for ever. */
const YIELD_MS = 400;

interface Slice extends SliceOptions, Asked {
  /** Until when it may be held back, by `performance.now()`. */
  readonly patientUntil: number;
  readonly resolve: (sliced: Sliced<unknown>) => void;
  readonly reject: (error: Error) => void;
}

interface Lane {
  worker?: Worker;
  at?: Slice;
  idle?: NodeJS.Timeout;
}

/** An engine whose workers start with the first work. */
export function createEngine(): Engine {
  const lanes: Lane[] = Array.from({ length: WORKERS }, () => ({}));
  const queue: Slice[] = [];
  let closed = false;
  let kept = 0;
  let ways = 0;
  let wake: NodeJS.Timeout | undefined;

  function settle(lane: Lane, answered: Answered): void {
    const slice = lane.at;
    delete lane.at;
    if (slice) {
      if ('error' in answered) slice.reject(toError(answered.error));
      else slice.resolve({ value: answered.result, worker: lanes.indexOf(lane) });
    }
    next(lane);
  }

  function start(lane: Lane): Worker {
    const worker = startWorker();
    worker.on('message', (answered: Answered) => settle(lane, answered));
    worker.on('error', error => settle(lane, { error }));
    worker.on('exit', () => {
      if (lane.worker !== worker) return;
      delete lane.worker;
      if (lane.at) settle(lane, { error: { name: 'Error', message: 'a worker of the image store ended' } });
    });
    lane.worker = worker;
    return worker;
  }

  function next(lane: Lane): void {
    if (lane.at) return;
    const index = queue.findIndex(
      slice => (slice.worker === undefined || slice.worker === lanes.indexOf(lane)) && !isHeldBack(slice),
    );
    const slice = index < 0 ? undefined : queue.splice(index, 1)[0];
    if (!slice) {
      if (ways > 0 && queue.length > 0) wake ??= setTimeout(wakeAll, YIELD_MS / 4);
      lane.worker?.unref();
      lane.idle ??= setTimeout(() => {
        delete lane.idle;
        if (lane.at || kept > 0) return;
        const { worker } = lane;
        delete lane.worker; // What comes next starts another one.
        void worker?.terminate();
      }, IDLE_MS).unref();
      return;
    }
    clearTimeout(lane.idle);
    delete lane.idle;
    lane.at = slice;
    const worker = lane.worker ?? start(lane);
    worker.ref();
    worker.postMessage({ call: slice.call, args: slice.args, background: slice.background } satisfies Asked);
  }

  function isHeldBack({ priority, patientUntil }: Slice): boolean {
    return ways > 0 && priority >= PRIORITY.background && performance.now() < patientUntil;
  }

  function wakeAll(): void {
    wake = undefined;
    nextOfAll();
  }

  function nextOfAll(): void {
    // Lanes that have a worker first: starting one takes longer than most slices.
    for (const lane of [...lanes].sort((a, b) => Number(!a.worker) - Number(!b.worker))) {
      if (queue.length === 0) return;
      next(lane);
    }
  }

  return {
    giveWay() {
      ways++;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        if (--ways === 0) nextOfAll();
      };
    },
    keepWorkers() {
      kept++;
      let held = true;
      return () => {
        if (held) kept--;
        held = false;
      };
    },
    ask: (call, args, options) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new PortLayerError('CANCELED', 'The service is ending.'));
        const background = options.priority > PRIORITY.restore;
        const slice: Slice = {
          call,
          args,
          background,
          patientUntil: performance.now() + YIELD_MS,
          ...options,
          resolve: resolve as Slice['resolve'],
          reject,
        };
        const before = queue.findIndex(({ priority }) => priority > slice.priority);
        queue.splice(before < 0 ? queue.length : before, 0, slice);
        nextOfAll();
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const slice of queue.splice(0))
        slice.reject(new PortLayerError('CANCELED', 'The service is ending.'));
      clearTimeout(wake);
      for (const lane of lanes) clearTimeout(lane.idle);
      await Promise.all(lanes.map(lane => lane.worker?.terminate()));
    },
  };
}

/** As it was built; or from source by tsx, which a worker has to be told of. */
function startWorker(): Worker {
  const built = new URL('./worker.js', import.meta.url);
  if (!import.meta.url.endsWith('.ts')) return new Worker(built);
  const source = new URL('./worker.ts', import.meta.url).href;
  const code = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(code, { eval: true });
}

function toError({ name, message, code }: { name: string; message: string; code?: string }): Error {
  if (name !== 'DamagedError') return Object.assign(new Error(message), code === undefined ? {} : { code });
  return new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not as it was committed.', {
    required: 'every byte as it was written',
    found: message,
    remedy: 'Restore from another checkpoint of the same container: portlayer checkpoint ls',
  });
}
