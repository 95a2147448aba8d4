/** One process under DMTCP, as its coordinator knows it. */
export interface Peer {
  /** The program's name, as it stands in the name of its image. */
  readonly program: string;
  /** The pid that the process itself sees, in the original and in every copy. */
  readonly virtualPid: number;
  /** The pid in the container's pid namespace. */
  readonly pid: number;
  /** DMTCP's own id of it: `98ff-40000-91dfc2fba8`. */
  readonly id: string;
  /** `RUNNING`, `SUSPENDED`, `CHECKPOINTED`, … */
  readonly state: string;
}

/** What `dmtcp_command` answered. */
export interface CommandAnswer {
  /** `DMT_COORD_SUCCESS`, `DMT_COORD_NOT_FOUND`, `DMT_COORD_NOT_RUNNING`, …; empty where it is no answer at all. */
  readonly status: string;
  readonly peers: readonly Peer[];
  /** How many processes there are; of a list, its length. */
  readonly count: number;
  /** Whether all of them run: only `-s` tells. */
  readonly running: boolean;
}

const nothing: CommandAnswer = { status: '', peers: [], count: 0, running: false };

/**
 * Reads the output of `dmtcp_command`, with `--json` or without. Beware of a port that is empty: it makes the help come,
 * with code 0; that is no answer here. Pure.
 */
export function parseCommand(done: {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}): CommandAnswer {
  const line = done.stdout.split('\n').find(text => text.startsWith('{'));
  return line === undefined ? parseText(done) : parseJson(line);
}

function parseJson(line: string): CommandAnswer {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    return nothing;
  }
  if (typeof answer !== 'object' || answer === null) return nothing;
  const { command, command_status, workers, num_peers, running } = answer as Record<string, unknown>;
  if (typeof command_status !== 'string' || command === 'DMT_HELP') return nothing;
  const peers = typeof workers === 'string' ? parseList(workers) : [];
  return {
    status: command_status,
    peers,
    count: typeof num_peers === 'number' ? num_peers : peers.length,
    running: running === true,
  };
}

/** What builds before `--json` print. */
function parseText({
  code,
  stdout,
  stderr,
}: {
  code: number;
  stdout: string;
  stderr: string;
}): CommandAnswer {
  if (/Coordinator not found/.test(stderr)) return { ...nothing, status: 'DMT_COORD_NOT_FOUND' };
  if (/not in running state/.test(stderr)) return { ...nothing, status: 'DMT_COORD_NOT_RUNNING' };
  if (code !== 0 || /^Usage:/m.test(stdout + stderr)) return nothing;
  const peers = parseList(stdout);
  const count = /NUM_PEERS=(\d+)/.exec(stdout)?.[1];
  return {
    status: 'DMT_COORD_SUCCESS',
    peers,
    count: count === undefined ? peers.length : Number(count),
    running: /RUNNING=yes/.test(stdout),
  };
}

/** Lines as `1, python3.11[40000:23604]@vm, 98ff-40000-91dfc2fba8, WorkerState::RUNNING, `; a program's name may hold anything. Pure. */
function parseList(text: string): readonly Peer[] {
  return text.split('\n').flatMap(line => {
    const [, program = '', virtualPid, pid, id = '', state = ''] =
      /^\d+, (.*)\[(\d+):(\d+)\]@[^,]*, ([0-9a-f]+-\d+-[0-9a-f]+), WorkerState::(\w+)/.exec(line) ?? [];
    return id === '' ? [] : [{ program, virtualPid: Number(virtualPid), pid: Number(pid), id, state }];
  });
}

/** The name that DMTCP gives a process's image. Pure. */
export function imageName(peer: Peer): string {
  return `ckpt_${peer.program}_${peer.id}.dmtcp`;
}
