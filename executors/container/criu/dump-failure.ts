import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Finished } from '../../../portlayer/plugin/host.js';
import type { Place } from '../place.js';
import { type Blocker, findBadFiles, findBlocker, unknownCause } from './blockers.js';

/** Why a dump failed, in words. The container is still frozen, so that what is looked at cannot change. */
export async function dumpFailure(
  place: Place,
  work: string,
  done: Finished,
  pids: readonly number[],
): Promise<PortLayerError> {
  const { host } = place;
  const log = await host.files.read(`${work}/dump.log`).then(String, () => '');
  const inLog = findBlocker(log);
  const bad = await findBadFiles(host, pids);
  // Of a runc that was killed the log says no cause.
  const killed = done.code > 128 && inLog?.what === unknownCause;
  const blockers = bad.length > 0 ? bad : inLog && !killed ? [inLog] : [];
  const noRoom = /No space left|ENOSPC/.test(log + done.stderr);
  if (noRoom) {
    return new PortLayerError('STORE_FULL', 'The store has no room for this checkpoint.', {
      found: inLog?.line ?? 'no space left',
      remedy:
        'Remove checkpoints you do not need (portlayer checkpoint rm), or free space otherwise. The container runs on.',
    });
  }
  const said = inLog?.line ?? (done.stderr.trim().slice(0, 300) || `runc ended with ${done.code}`);
  if (blockers.length === 0) {
    return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The container could not be dumped.', {
      required: 'a dump by runc and CRIU',
      found: said,
      remedy:
        'Ask again; if it fails again, see what "portlayer doctor" says of CRIU. The container runs on.',
    });
  }
  const named = await Promise.all(
    blockers.map(async blocker => `${blocker.what}${await whose(place, blocker)}`),
  );
  return new PortLayerError(
    'WRONG_STATE',
    `The container holds what no checkpoint can keep: ${[...new Set(named)].join('; ')}.`,
    {
      required: 'processes that CRIU can dump',
      found: said,
      remedy: 'Close it before the checkpoint, or use another mechanism. The container runs on.',
      facts: {
        blocker: blockers[0]?.what ?? '',
        pids: blockers.flatMap(blocker => (blocker.pid === undefined ? [] : [String(blocker.pid)])).join(','),
      },
    },
  );
}

/** The dump was ended because it took longer than it may. */
export function dumpTooLong(ms: number): PortLayerError {
  return new PortLayerError('QUIESCE_TIMEOUT', `The dump took longer than ${ms} ms and was ended.`, {
    required: `a dump within ${ms} ms`,
    found: 'runc and CRIU were still at it',
    remedy:
      'Ask again, or allow more with dumpMs in the configuration of the executor container. The container runs on.',
  });
}

async function whose(place: Place, blocker: Blocker): Promise<string> {
  if (blocker.pid === undefined) return '';
  const name = await place.host.files.read(`/proc/${blocker.pid}/comm`).then(String, () => '');
  return ` of ${name.trim() || 'a process'} (pid ${blocker.pid})`;
}
