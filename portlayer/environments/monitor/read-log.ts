import { setTimeout as sleep } from 'node:timers/promises';
import type { LogEntry, LogOptions } from '../../plugin/executor.js';
import type { Host } from '../../plugin/host.js';
import { ageOf, identify, logPath, readOf } from './log-files.js';
import { parseLogLine } from './log-line.js';

const pollMs = 100;
/** As many rotated files as a container may be told to keep. */
const maxAge = 100;

/**
 * A container's log from its files, oldest first, across rotation. With `follow` it goes on until `isOver` holds and
 * all that is there was read, or the signal aborts.
 */
export async function* readLog(
  host: Host,
  directory: string,
  options: LogOptions,
  isOver: () => Promise<boolean>, // where the options do not bring their own
  signal: AbortSignal,
): AsyncIterable<LogEntry> {
  const position: Position = { identity: undefined, offset: 0, rest: Buffer.alloc(0) };
  const wanted = (entry: LogEntry) => options.sinceMs === undefined || entry.atMs >= options.sinceMs;
  const newest: LogEntry[] = [];
  for await (const entry of available(host, directory, position, signal)) {
    if (!wanted(entry)) continue;
    if (options.tail === undefined) {
      yield entry;
      continue;
    }
    newest.push(entry);
    if (newest.length > options.tail) newest.shift();
  }
  yield* newest;
  while (options.follow && !signal.aborted) {
    const last = await (options.isOver ?? isOver)();
    for await (const entry of available(host, directory, position, signal)) if (wanted(entry)) yield entry;
    if (last) return;
    await sleep(pollMs, undefined, { signal }).catch(() => {});
  }
}

interface Position {
  /** How the file begins in which we are; undefined before the first. */
  identity: string | undefined;
  offset: number;
  /** The beginning of a line whose end is not there yet. */
  rest: Buffer;
}

/** Everything that is there now, from the position on. */
async function* available(
  host: Host,
  directory: string,
  position: Position,
  signal: AbortSignal,
): AsyncIterable<LogEntry> {
  while (!signal.aborted) {
    const age = await locate(host, directory, position);
    if (age === undefined) return;
    const piece = await readOf(host, directory, age, position.identity ?? '', position.offset);
    if (piece === undefined) continue; // It was rotated under our eyes: look for it again.
    if (piece.length > 0) {
      position.offset += piece.length;
      yield* entriesOf(position, piece);
      continue;
    }
    if (age === 0) return;
    const next = await identify(host, logPath(directory, age - 1));
    if (next === '') return; // The new file has nothing in it yet.
    if ((await identify(host, logPath(directory, age))) !== position.identity) continue;
    Object.assign(position, { identity: next, offset: 0 });
  }
}

/** The age of the file we are in; of the oldest there is where we are in none, or rotation took ours away. */
async function locate(host: Host, directory: string, position: Position): Promise<number | undefined> {
  if (position.identity !== undefined) {
    const age = await ageOf(host, directory, position.identity, maxAge);
    if (age !== undefined) return age;
  }
  for (let age = await oldestAge(host, directory); age >= 0; age--) {
    const identity = await identify(host, logPath(directory, age));
    if (identity === '') continue;
    Object.assign(position, { identity, offset: 0, rest: Buffer.alloc(0) });
    return age;
  }
  return undefined;
}

async function oldestAge(host: Host, directory: string): Promise<number> {
  let age = 0;
  while (age < maxAge && (await host.files.exists(logPath(directory, age + 1)))) age++;
  return age;
}

function* entriesOf(position: Position, piece: Buffer): Iterable<LogEntry> {
  let bytes: Buffer = position.rest.length === 0 ? piece : Buffer.concat([position.rest, piece]);
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
    const entry = parseLogLine(bytes.toString('utf8', 0, end));
    bytes = bytes.subarray(end + 1);
    if (entry) yield entry;
  }
  position.rest = bytes;
}
