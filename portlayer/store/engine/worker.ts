import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { type Calls, calls } from './calls.js';

/** One call, as the engine sends it. */
export interface Asked {
  readonly call: keyof Calls;
  readonly args: readonly unknown[];
  /** Nobody waits for it: whatever runs in the containers goes first. */
  readonly background: boolean;
}

/** What comes back. */
export type Answered =
  | { readonly result: unknown }
  | { readonly error: { readonly name: string; readonly message: string; readonly code?: string } };

/** Nice values of this thread; going back to 0 takes CAP_SYS_NICE, so without it the thread stays at 0. */
const BACKGROUND = 5;
const mayHurry = process.getuid?.() === 0;
let nice = 0;

parentPort?.on('message', ({ call, args, background }: Asked) => {
  hurry(background);
  try {
    const result = (calls[call] as (...args: readonly unknown[]) => unknown)(...args);
    parentPort?.postMessage({ result } satisfies Answered);
  } catch (caught) {
    const { name, message, code } = caught as NodeJS.ErrnoException;
    const error = { name, message, ...(typeof code === 'string' ? { code } : {}) };
    parentPort?.postMessage({ error } satisfies Answered);
  }
});

/** On Linux a priority of "process 0" is that of the calling thread alone. Source: setpriority(2). */
function hurry(background: boolean): void {
  const wanted = background && mayHurry ? BACKGROUND : 0;
  if (wanted === nice) return;
  try {
    setPriority(0, wanted);
    nice = wanted;
  } catch {
    // Not permitted after all: it stays as it is.
  }
}
