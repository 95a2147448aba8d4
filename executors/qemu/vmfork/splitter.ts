import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { ramOf, stateOf } from './image.js';

/** What a splitter ends with where the file system is full: ENOSPC. */
const NO_ROOM = 28;

/** A splitter that waits for QEMU's stream. */
export interface Splitter {
  /** Where QEMU is to send the stream. */
  readonly socket: string;
  /** Resolves when memory and device state are whole. Throws STORE_FULL or EXECUTOR_UNAVAILABLE. */
  readonly done: Promise<void>;
  end(): void;
}

/**
 * Starts `portlayer-init split`, which takes QEMU's stream apart while it comes: a second pass over a gigabyte would
 * double the time until a checkpoint is captured. `running`: the copies run, whatever state the machine is in.
 */
export async function startSplitter(
  host: Host,
  directory: string,
  socket: string,
  signal: AbortSignal,
): Promise<Splitter> {
  const child = host.spawn(
    [host.initBinary, 'split', socket, ramOf(directory), stateOf(directory), 'running'],
    { signal },
  );
  child.stdin.on('error', () => {});
  child.stdin.end();
  let errors = '';
  child.stderr.on('data', chunk => {
    errors = (errors + String(chunk)).slice(0, 1000);
  });
  const listening = new Promise<void>(resolve => child.stdout.once('data', () => resolve()));
  const done = child.exited.then(({ code, failure }) => {
    if (code === 0) return;
    throw new PortLayerError(
      code === NO_ROOM ? 'STORE_FULL' : 'EXECUTOR_UNAVAILABLE',
      code === NO_ROOM ? 'The store has no room for this image.' : 'The image could not be written.',
      {
        required: 'a whole stream, split into memory and device state',
        found: failure ?? (errors.trim() || `the splitter ended with ${code}`),
        remedy:
          code === NO_ROOM
            ? 'Remove checkpoints you do not need (portlayer checkpoint rm).'
            : 'Ask again. The machine runs on.',
      },
    );
  });
  done.catch(() => {});
  await Promise.race([listening, done]);
  return { socket, done, end: () => child.kill('SIGKILL') };
}
