import type { Host } from '../../../portlayer/plugin/host.js';

/** What kept CRIU from dumping a container: the cause in words, and whose it is. */
export interface Blocker {
  /** In words for a person: `an io_uring`. */
  readonly what: string;
  /** The process's pid on the host, where the log names it. */
  readonly pid?: number;
  /** CRIU's own line. */
  readonly line: string;
}

/** Where the log has an error whose cause is not known here. */
export const unknownCause = 'something that CRIU cannot dump';

/** From a line of CRIU's log to words. The order counts: the first that fits. Measured with CRIU 4.2.1; see design/mechanisms/criu.md. */
const causes: readonly (readonly [RegExp, string])[] = [
  [/In-flight connection/, 'a TCP connection that nobody has accepted yet'],
  [/Connected TCP socket/, 'an established TCP connection (the option tcpEstablished keeps those)'],
  [
    /Dangling connection|External socket is used/,
    'a unix socket connected to something outside the container',
  ],
  [/Can't dump ghost file/, 'a large file that was deleted while it is open'],
  [/family 40\b/, 'a vsock socket'],
  [
    /Unknown socket collected|Unsupported (proto|socket)|unsupported socket/i,
    'a socket of a kind that CRIU does not know',
  ],
  [
    /fsnotify.*Can't dump|Can't dump that handle/,
    'a file watch (inotify or fanotify) on the root file system',
  ],
  [/anon_inode:\[userfaultfd\]/, 'a userfaultfd'],
  [/anon_inode:\[io_uring\]|io_uring/, 'an io_uring'],
  [/path=\/secretmem/, 'secret memory (memfd_secret)'],
  [/zombie \d+ .*found while seizing|Unable to seize|ptrace/i, 'a process that a debugger holds'],
  [/Can't lookup mount=\d+ for fd=\d+ path=\/(dev\/pts|ptmx)/, 'a terminal of the host'],
  [/Can't lookup mount=/, 'a file of the host that is open inside'],
  [/Can't dump file .* of that type/, 'an open file of a kind that CRIU does not know'],
  [/send_fds failed|Can't retrieve FDs/, 'an open file that cannot be handed over'],
  [
    /Can't get rlimit .*Operation not permitted/,
    'a process of another user than root, for which the service lacks CAP_SYS_RESOURCE (or Linux 5.6)',
  ],
  [/No space left on device|ENOSPC/, 'no space left'],
];
/** Not what kept CRIU from it: what follows, and what only says that runc was gone. */
const noise =
  /RLIMIT_NOFILE for self|Dumping FAILED|Can't send response|Can't read request|script failed|action scripts failed|Broken pipe|Unable to (open|get) .*criu\.kdat/;

/** The first cause in a dump's log. `log` is the whole text. Pure. */
export function findBlocker(log: string): Blocker | undefined {
  const errors = log.split('\n').filter(line => line.includes('Error') && !noise.test(line));
  const pid = Number(
    /Dump (?:files|core|mappings|pages|task)?[^\n]*\(pid: (\d+)\) failed/.exec(errors.join('\n'))?.[1],
  );
  const whose = Number.isInteger(pid) ? { pid } : {};
  for (const line of errors) {
    const cause = causes.find(([pattern]) => pattern.test(line));
    if (cause) return { what: cause[1], ...whose, line: line.trim() };
  }
  const first = errors[0];
  return first === undefined ? undefined : { what: unknownCause, ...whose, line: first.trim() };
}

const hostile = /anon_inode:\[?(io_uring|userfaultfd)\]?/;

/** Open files that CRIU is known to fail on without naming them, looked for once it has failed. */
export async function findBadFiles(host: Host, pids: readonly number[]): Promise<readonly Blocker[]> {
  if (pids.length === 0) return [];
  const directories = pids.map(pid => `/proc/${pid}/fd`);
  const done = await host.run([
    'find',
    ...directories,
    '-maxdepth',
    '1',
    '-lname',
    'anon_inode:*',
    '-printf',
    '%p %l\\n',
  ]);
  return done.stdout.split('\n').flatMap(line => {
    const [, pid, target = ''] = /^\/proc\/(\d+)\/fd\/\d+ (.*)$/.exec(line) ?? [];
    const kind = hostile.exec(target)?.[1];
    if (pid === undefined || kind === undefined) return [];
    return [{ what: `${kind === 'io_uring' ? 'an' : 'a'} ${kind}`, pid: Number(pid), line }];
  });
}
