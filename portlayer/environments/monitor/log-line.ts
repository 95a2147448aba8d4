import type { LogEntry } from '../../plugin/executor.js';

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z) (stdout|stderr) ([FP]) ?/;

/** One line of a log in the kubelet's form (`2026-11-21T01:02:03.000000004Z stdout F text`); nothing where it is not of that form. */
export function parseLogLine(line: string): LogEntry | undefined {
  const [head, at = '', stream, tag] = form.exec(line) ?? [];
  if (head === undefined) return undefined;
  return {
    stream: stream === 'stderr' ? 'stderr' : 'stdout',
    atMs: Date.parse(at),
    text: line.slice(head.length),
    endsLine: tag === 'F',
  };
}
