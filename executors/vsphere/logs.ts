import { setTimeout as sleep } from 'node:timers/promises';
import { parseLogLine } from '../../portlayer/environments/monitor/log-line.js';
import type { LogEntry, LogOptions } from '../../portlayer/plugin/executor.js';
import type { Machines } from './machines.js';
import { logFile } from './serial-port.js';
import { vimFault } from './vim/fault.js';
import { isUnreachable } from './vim/unreachable.js';

const POLL_MS = 200;
const DEADLINE_MS = 60_000;
const PIECE = 4 * 2 ** 20;

/**
 * A container's log, from the file behind its serial port, in pieces from the datastore. The file grows as long as the
 * container is there; of one that is longer than `keepBytes` only the end is given.
 */
export async function* readMachineLog(
  machines: Machines,
  uid: string,
  keepBytes: number,
  options: LogOptions,
  isOver: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncIterable<LogEntry> {
  const wanted = (entry: LogEntry) => options.sinceMs === undefined || entry.atMs >= options.sinceMs;
  const reader = { offset: undefined as number | undefined, rest: Buffer.alloc(0), skip: false };
  const newest: LogEntry[] = [];
  for await (const entry of available(machines, uid, keepBytes, reader, signal)) {
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
    for await (const entry of available(machines, uid, keepBytes, reader, signal))
      if (wanted(entry)) yield entry;
    if (last) return;
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

interface Reader {
  /** Where the next piece begins; undefined before the first. */
  offset: number | undefined;
  rest: Buffer;
  /** Whether it begins within a line. */
  skip: boolean;
}

async function* available(
  machines: Machines,
  uid: string,
  keepBytes: number,
  reader: Reader,
  signal: AbortSignal,
): AsyncIterable<LogEntry> {
  while (!signal.aborted) {
    if (reader.offset === undefined) {
      const size = await sizeOf(machines, uid, signal).catch(quietly(signal));
      if (size === undefined) return;
      reader.offset = Math.max(0, size - keepBytes);
      reader.skip = reader.offset > 0;
    }
    const piece = await readPiece(machines, uid, reader.offset, signal).catch(quietly(signal));
    if (!piece || piece.length === 0) return;
    reader.offset += piece.length;
    yield* entriesOf(reader, piece);
  }
}

function* entriesOf(reader: Reader, piece: Buffer): Iterable<LogEntry> {
  let bytes: Buffer = reader.rest.length === 0 ? piece : Buffer.concat([reader.rest, piece]);
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
    const entry = parseLogLine(bytes.toString('utf8', 0, end));
    bytes = bytes.subarray(end + 1);
    if (entry && !reader.skip) yield entry;
    reader.skip = false;
  }
  reader.rest = bytes;
}

async function sizeOf(machines: Machines, uid: string, signal: AbortSignal): Promise<number | undefined> {
  const { status, headers } = await request(machines, uid, 'HEAD', {}, signal);
  return status === 200 ? Number(headers['content-length'] ?? 0) : undefined;
}

async function readPiece(
  machines: Machines,
  uid: string,
  offset: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const range = { Range: `bytes=${offset}-${offset + PIECE - 1}` };
  const { status, body } = await request(machines, uid, 'GET', range, signal);
  if (status === 206) return body;
  // A server that knows no ranges sends the whole file.
  return status === 200 ? body.subarray(offset) : undefined;
}

async function request(
  machines: Machines,
  uid: string,
  method: 'GET' | 'HEAD',
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) {
  const { vim, transport } = machines.vcenter;
  const place = await machines.place(signal);
  const [, datastore = '', path = ''] = /^\[([^\]]*)\] (.*)$/.exec(logFile(place, uid)) ?? [];
  const query = new URLSearchParams({ dcPath: place.datacenterPath, dsName: datastore });
  const target = `/folder/${path.split('/').map(encodeURIComponent).join('/')}?${query}`;
  for (let tries = 1; ; tries++) {
    const cookie = await vim.cookie({ signal });
    const answer = await transport.send({
      method,
      path: target,
      headers: { ...headers, Cookie: cookie },
      deadlineMs: DEADLINE_MS,
      signal,
    });
    if (answer.status === 401 && tries === 1) {
      await vim.renew(cookie);
      continue;
    }
    if (answer.status < 500 && answer.status !== 401) return answer;
    throw vimFault(`${method} /folder`, 'FileFault', `HTTP status ${answer.status} for ${path}`);
  }
}

/** A reader who gives up just ends; a vCenter that is away has nothing new. */
function quietly(signal: AbortSignal): (caught: unknown) => undefined {
  return caught => {
    if (signal.aborted || isUnreachable(caught)) return undefined;
    throw caught;
  };
}
