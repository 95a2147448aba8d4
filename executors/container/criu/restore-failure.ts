import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ContainerPaths } from '../layout.js';
import type { Place } from '../place.js';
import { lastRuncError } from '../runc.js';

/** From a line of CRIU's restore log to words and a remedy. */
const causes: readonly (readonly [RegExp, string, string])[] = [
  [
    /Can't bind inet socket|Address already in use/,
    'an address that a socket in the image is bound to is taken, or not here',
    'Give the copy that address, or stop who has it.',
  ],
  [
    /has bad size|bad mode|Can't open file|No such file/,
    'a file that the image has open is gone or has another size',
    'Put rootfs and volumes back as they were at the checkpoint.',
  ],
  [/No mapping for .* mountpoint/, 'a mount of the image is missing', 'Give the copy the same volumes.'],
  [/cpu|CPU/, 'the CPU lacks what the image needs', 'Restore on a host with the CPU features of the first.'],
];

/** Why a restore failed, in words; the caller's own abort as it is. */
export async function restoreFailure(
  place: Place,
  paths: ContainerPaths,
  caught: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  if (signal.aborted) return caught;
  const log = await place.host.files.read(`${paths.directory}/restore/restore.log`).then(String, () => '');
  const errors = log
    .split('\n')
    .filter(line => line.includes('Error') && !/RLIMIT_NOFILE for self/.test(line));
  const known = causes.find(([pattern]) => errors.some(line => pattern.test(line)));
  const line = errors.find(text => known?.[0].test(text)) ?? errors[0];
  const runc = await lastRuncError(place.host, paths.log);
  if (
    line === undefined &&
    runc === undefined &&
    caught instanceof PortLayerError &&
    caught.code !== 'WRONG_STATE'
  )
    return caught;
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    `The checkpoint could not be restored${known ? `: ${known[1]}` : ''}.`,
    {
      required: 'a restore by runc and CRIU',
      found:
        line?.trim().slice(0, 300) ?? runc ?? (caught instanceof Error ? caught.message : 'no word of it'),
      remedy:
        known?.[2] ??
        'Restore it again; if it fails again, see what "portlayer doctor" says of CRIU. Nothing is left of the copy.',
      cause: caught,
    },
  );
}
