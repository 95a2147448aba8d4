import { isErrno } from '../../errors/port-layer-error.js';
import type { ExitResult } from '../../model/container-record.js';
import type { Host } from '../../plugin/host.js';
import { type MonitorLine, parseMonitorLine } from './monitor-line.js';

/** The exit that an `EXIT` line tells. Numbers out of bounds become 255 or 0: the line is a program's, not a person's. */
export function exitOfLine(line: MonitorLine): ExitResult {
  const failure = line.values.get('failure') ?? '';
  const signal = boundedInteger(line.values.get('signal'), 0, 64, 0);
  return {
    code: boundedInteger(line.values.get('code'), 0, 255, 255),
    signal,
    oomKilled: line.values.get('oom') === '1',
    atMs: boundedInteger(line.values.get('at-ms'), 0, Number.MAX_SAFE_INTEGER, Date.now()),
    ...(failure === '' ? {} : { failure }),
  };
}

/** What the file `exit` in a container's directory tells; nothing where there is none yet. */
export async function readExitFile(host: Host, directory: string): Promise<ExitResult | undefined> {
  try {
    const line = parseMonitorLine(
      (await host.files.readFrom(`${directory}/exit`, 0, 4096)).toString().trim(),
    );
    return line?.word === 'EXIT' ? exitOfLine(line) : undefined;
  } catch (caught) {
    if (isErrno(caught) && (caught.code === 'ENOENT' || caught.code === 'ENOTDIR')) return undefined;
    throw caught;
  }
}

/** The exit of a container whose monitor is gone and left no word: the host rebooted, or someone killed it. */
export function lostExit(): ExitResult {
  return {
    code: 137,
    signal: 9,
    oomKilled: false,
    failure: 'The monitor is gone and left no exit: the host was restarted, or the monitor was killed.',
    atMs: Date.now(),
  };
}

function boundedInteger(text: string | undefined, least: number, most: number, otherwise: number): number {
  const value = text === undefined || !/^\d+$/.test(text) ? Number.NaN : Number(text);
  return value >= least && value <= most ? value : otherwise;
}
