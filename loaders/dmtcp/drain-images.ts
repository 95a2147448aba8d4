import { createInterface } from 'node:readline';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';
import { holdsBack } from './refusals.js';

/** One image, as it was written. */
export interface ImageFile {
  readonly name: string;
  /** 16 hex digits: see loaders/init/chunk_hash.h. */
  readonly sum: string;
  readonly bytes: number;
  /** What its file was when it was written: see loaders/init/stamp.h. Means something on that host alone. */
  readonly stamp?: string;
}

/** What is to be taken out of a container. */
export interface DrainRequest {
  /** The pid of the container's init on the host. */
  readonly init: number;
  /** The room's path inside. */
  readonly room: string;
  /** The file in it with the pids of those who wait for an answer by signal. */
  readonly askers: string;
  /** The directory for the images, on the host. */
  readonly into: string;
  /** Who must be able to read them, where that is not root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** An image that is expected, with its process's pid inside. */
export interface ExpectedImage {
  readonly name: string;
  readonly pid: number;
}

/** The process that takes images out of a container; it outlives the service for as long as a task writes to it. */
export interface Drain {
  /**
   * Resolves when every pipe has its reader. Called once, first. Throws STORE_FULL where the disk has no room for such
   * images, WRONG_STATE where a process holds what DMTCP cannot suspend: nothing was asked of DMTCP then.
   */
  arm(images: readonly ExpectedImage[]): Promise<void>;
  /** Resolves when every process of the container is suspended: with the pids, inside, of those who wait for an answer by signal. They stay suspended until {@link go}. Rejects where it ended before. */
  readonly frozen: Promise<readonly number[]>;
  /** Lets the images flow. */
  go(): void;
  /** Says that no further image will begin. */
  end(): void;
  /** What was written by now. */
  written(): readonly ImageFile[];
  /** Every image, once {@link end} was said and all have flowed. Throws STORE_FULL, or INTERNAL where the disk failed otherwise. */
  readonly finished: Promise<readonly ImageFile[]>;
  /** Throws away whatever comes: the task must not notice that nobody wants it. */
  abandon(): void;
}

const ENOSPC = 28;
const EDQUOT = 122;

/** Starts it. */
export function startDrain(host: Host, request: DrainRequest): Drain {
  const { init, room, askers, into, owner } = request;
  const child = host.spawn([
    host.initBinary,
    'drain',
    ...['--root', `/proc/${init}/root`, '--netns', `/proc/${init}/ns/net`],
    ...['--room', room, '--askers', askers, '--out', into],
    ...(owner ? ['--owner', String(owner.uid), String(owner.gid)] : []),
  ]);
  const files: ImageFile[] = [];
  let failure: PortLayerError | undefined;
  let done = false;
  let frozen: (pids: readonly number[]) => void = () => {};
  let ready: (armed: boolean) => void = () => {};
  const isFrozen = new Promise<readonly number[]>(resolve => {
    frozen = resolve;
  });
  const isReady = new Promise<boolean>(resolve => {
    ready = resolve;
  });
  child.stdin.on('error', () => {}); // It may have ended; that shows in what it said.
  let said = '';
  child.stderr.on('data', chunk => {
    said = (said + String(chunk)).slice(-500);
  });
  createInterface({ input: child.stdout }).on('line', line => {
    const [word, ...rest] = line.split(' ');
    if (word === 'READY') ready(true);
    else if (word === 'FROZEN') frozen(pidsOf(rest[0] ?? ''));
    else if (word === 'FILE') files.push(fileOf(rest));
    else if (word === 'FAILED') failure = writeFailure(line);
    else if (word === 'HOLDS') failure = holdsBack(rest[0] ?? '', rest.slice(1).join(' '));
    else if (word === 'DONE') done = true;
  });
  const ended = child.exited.then(() => {
    ready(false);
    if (failure) throw failure;
    if (!done) throw notDone(said);
    return files;
  });
  ended.catch(() => {});
  const notFrozen = ended.then(() => [] as readonly number[]);
  const drain: Drain = {
    async arm(images) {
      for (const { pid, name } of images) child.stdin.write(`IMAGE ${pid} ${name}\n`);
      child.stdin.write('ARM\n');
      if (!(await isReady)) await ended;
    },
    frozen: Promise.race([isFrozen, notFrozen]),
    go: () => void child.stdin.write('GO\n'),
    end: () => void child.stdin.write('END\n'),
    written: () => files,
    finished: ended,
    abandon: () => void child.stdin.end(),
  };
  drain.frozen.catch(() => {});
  return drain;
}

/** `name sum bytes stamp`: a program's name, and so an image's, may hold spaces. */
function fileOf(words: readonly string[]): ImageFile {
  const [sum = '', bytes = '', stamp = '-'] = words.slice(-3);
  return {
    name: words.slice(0, -3).join(' '),
    sum,
    bytes: Number(bytes),
    ...(stamp === '-' ? {} : { stamp }),
  };
}

function pidsOf(field: string): readonly number[] {
  return field
    .replace(/^askers=/, '')
    .split('+')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid > 1);
}

function writeFailure(line: string): PortLayerError {
  const [, number = '0', text = ''] = /errno=(\d+) (.*)$/.exec(line) ?? [];
  const full = [ENOSPC, EDQUOT].includes(Number(number));
  return new PortLayerError(
    full ? 'STORE_FULL' : 'INTERNAL',
    full ? 'The store has no room for this checkpoint.' : 'The images could not be written.',
    {
      required: 'room for what is resident of every process, and 32 MiB for each',
      found: text,
      remedy: full
        ? 'Remove checkpoints you do not need (portlayer checkpoint rm), or free space otherwise. The container runs on.'
        : 'See the reason above. The container runs on.',
    },
  );
}

function notDone(said: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'What takes the images out of the container was ended.', {
    found: said.trim() || 'it ended without a word',
    remedy: 'Ask again.',
  });
}
