import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Inside } from '../../portlayer/plugin/executor.js';
import type { UsableDmtcp } from './find-dmtcp.js';
import { type CommandAnswer, type Peer, parseCommand } from './parse-command.js';
import { portFile } from './paths-inside.js';

const maxKnown = 10_000;

/** The coordinator of one running container, spoken to by the host's own `dmtcp_command` in the container's network. */
export interface Coordinator {
  /** Throws WRONG_STATE where it is not there any more. */
  list(signal?: AbortSignal): Promise<readonly Peer[]>;
  /** How many processes there are, and whether all of them run. */
  status(signal?: AbortSignal): Promise<CommandAnswer>;
  /** A blocking checkpoint; resolves with what the coordinator said of it. */
  checkpoint(signal?: AbortSignal): Promise<CommandAnswer>;
}

/** The ports of running containers that were read once, by uid and init: a process less for each checkpoint. */
export type KnownPorts = Map<string, string>;

/** The coordinator of a container. Throws WRONG_STATE where the container has no port of one. */
export async function coordinatorOf(
  found: UsableDmtcp,
  access: Inside,
  uid: string,
  known: KnownPorts,
): Promise<Coordinator> {
  const run = `${uid} ${await access.init(uid)}`;
  const port =
    known.get(run) ??
    (await access.read(uid, portFile).then(
      text => text.trim(),
      () => '',
    ));
  // An empty port would make dmtcp_command print its help, and end with success.
  if (!/^[1-9]\d{0,4}$/.test(port)) throw coordinatorGone(`no port in ${portFile}`);
  if (known.size >= maxKnown) known.clear();
  known.set(run, port);
  const command = [
    `${found.bin}/dmtcp_command`,
    ...(found.json ? ['--json'] : []),
    '-h',
    '127.0.0.1',
    '-p',
    port,
  ];
  const say = async (verb: string, signal?: AbortSignal): Promise<CommandAnswer> =>
    parseCommand(await access.run(uid, [...command, verb], signal ? { signal } : {}));
  return {
    async list(signal) {
      const answer = await say('-l', signal);
      if (answer.status === 'DMT_COORD_SUCCESS') return answer.peers;
      throw coordinatorGone(answer.status || 'no answer');
    },
    status: signal => say('-s', signal),
    checkpoint: signal => say('-bc', signal),
  };
}

/** The error for a container whose coordinator does not answer. */
export function coordinatorGone(found: string): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'The DMTCP coordinator of this container does not answer.', {
    required: 'a coordinator that was started with the task',
    found,
    remedy:
      'A task ends when its coordinator does. Restore the newest checkpoint with: portlayer restore, or start the container again.',
    facts: { level: 'loader', name: 'dmtcp' },
  });
}
