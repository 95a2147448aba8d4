import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import type { MachinePaths } from '../layout.js';
import { ramOf, stateOf } from './image.js';

/** What a splitter ends with where the file system is full: ENOSPC. */
const NO_ROOM = 28;

/** A splitter that waits for QEMU's stream. */
export interface Splitter {
  /** Where QEMU is to send the stream. */
  readonly socket: string;
  /** Resolves when memory and device state are whole. Throws STORE_FULL or EXECUTOR_UNAVAILABLE. */
  readonly done: Promise<void>;
  /** Hangs up. What QEMU has begun to send is read to its end all the same. */
  end(): void;
}

/**
 * Has the machine's bridge take QEMU's stream apart while it comes, into the files of an image: a second pass over a
 * gigabyte would double the time until a checkpoint is captured. By the bridge, since QEMU must not be left alone with
 * a stream that nobody reads, whoever else is killed; source: loaders/init/machine_dump.c.
 */
export async function startSplitter(
  host: Host,
  paths: MachinePaths,
  directory: string,
  signal: AbortSignal,
): Promise<Splitter> {
  const socket = `${paths.vm}/split`;
  const connection = await host.connect(paths.orders, signal);
  connection.on('error', () => {}); // It shows as the end of what is read.
  const said = linesOf(connection);
  connection.write(`DUMP\t${socket}\t${ramOf(directory)}\t${stateOf(directory)}\n`);
  const first = (await said.next()).value ?? '';
  if (first !== 'A listening') {
    connection.destroy();
    throw failed(first);
  }
  const done = (async () => {
    const last = (await said.next()).value ?? '';
    connection.destroy();
    if (last !== 'A done') throw failed(last);
  })();
  done.catch(() => {});
  return { socket, done, end: () => connection.destroy() };
}

async function* linesOf(connection: AsyncIterable<unknown>): AsyncGenerator<string, undefined> {
  let rest = '';
  for await (const chunk of connection) {
    const lines = (rest + String(chunk)).split('\n');
    rest = (lines.pop() ?? '').slice(0, 1000);
    yield* lines;
  }
  return undefined;
}

function failed(line: string): PortLayerError {
  const [, code, reason] = /^A failed (\d+) ?(.*)$/.exec(line) ?? [];
  const noRoom = Number(code) === NO_ROOM;
  return new PortLayerError(
    noRoom ? 'STORE_FULL' : 'EXECUTOR_UNAVAILABLE',
    noRoom ? 'The store has no room for this image.' : 'The image could not be written.',
    {
      required: 'a whole stream, split into memory and device state',
      found: reason || (code === undefined ? 'the machine has ended' : `the splitter ended with ${code}`),
      remedy: noRoom
        ? 'Remove checkpoints you do not need (portlayer checkpoint rm).'
        : 'Ask again. The machine runs on.',
    },
  );
}
