import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../portlayer/model/container-record.js';

/** Rises when the meaning of `data` changes. */
export const HANDLE_VERSION = 1;

/** Where a container of this executor is, as the catalog keeps it. */
export function makeHandle(directory: string, times: CopyTimes = {}): Handle {
  return { version: HANDLE_VERSION, data: { directory, ...times } };
}

/** How a copy came to run; for those who measure. */
export interface CopyTimes {
  /** From the call of the mechanism until the copy was ready, in milliseconds. */
  readonly copyMs?: number;
  /** What of it the guest took to become another, as it measured it itself. */
  readonly identityMs?: number;
  readonly standby?: boolean;
}

/** The directory a handle names. Throws INVALID_SPEC for a handle that another version or plugin made. */
export function directoryOf(handle: Handle): string {
  const directory = handle.data.directory;
  if (handle.version === HANDLE_VERSION && typeof directory === 'string') return directory;
  throw new PortLayerError('INVALID_SPEC', 'The handle is not one of the executor qemu.', {
    required: `version ${HANDLE_VERSION} with a directory`,
    found: `version ${handle.version}`,
    remedy: 'Run the version of the service that started this container, or remove the container.',
  });
}
