import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';

/** guestinfo holds 64 KiB for a key, and a message to the guest no more. Source: GUESTMSG_MAX_IN_SIZE of open-vm-tools. */
const MAX_BYTES = 60 * 1024;
const RUN = '/run/portlayer';

/**
 * What the guest is to start, for the key `launch`: the number of environment entries, these, and the init's command
 * line, each ended by a NUL, in base64. Throws INVALID_SPEC where that is too much for guestinfo.
 */
export function launchValue(request: StartRequest, hostname: string): string {
  const { spec, launch, env } = request;
  const { task } = spec;
  const entries = Object.entries({ ...launch.env, ...env }).map(([key, value]) => `${key}=${value}`);
  const owner = task.user ? [String(task.user.uid), String(task.user.gid)] : [];
  const argv = [
    'init',
    ...['--relay', `${RUN}/m/relay/relay.sock`, '--socket', `${RUN}/checkpoint.sock`],
    ...['--hostname', hostname, '--proc', '/proc'],
    ...(task.cwd === undefined ? [] : ['--cwd', task.cwd]),
    ...(task.user ? ['--uid', owner[0] ?? '', '--gid', owner[1] ?? ''] : []),
    ...(task.exitCode ? ['--checkpoint-exit', String(task.exitCode.checkpoint)] : []),
    ...(launch.waitForAll ? ['--wait-all'] : []),
    '--',
    ...launch.argv,
  ];
  const value = Buffer.from(
    [String(entries.length), ...entries, ...argv].map(part => `${part}\0`).join(''),
  ).toString('base64');
  if (value.length <= MAX_BYTES) return value;
  throw new PortLayerError(
    'INVALID_SPEC',
    'The command and the environment are too long for a guest of vSphere.',
    {
      required: `at most ${Math.floor((MAX_BYTES * 3) / 4)} bytes together`,
      found: `${Math.floor((value.length * 3) / 4)} bytes`,
      remedy: 'Put what is long into a file of the template.',
      facts: { field: 'task' },
    },
  );
}
