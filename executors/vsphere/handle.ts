import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../portlayer/model/container-record.js';

/** Rises when the meaning of `data` changes. */
export const HANDLE_VERSION = 1;

/** Where a container of this executor is, as the catalog keeps it; `instanceUuid` once it has a machine. */
export function makeHandle(uid: string, instanceUuid?: string): Handle {
  return { version: HANDLE_VERSION, data: { uid, ...(instanceUuid ? { instanceUuid } : {}) } };
}

/** What a handle names. Throws INVALID_SPEC for one that another version or plugin made. */
export function readHandle(handle: Handle): { readonly uid: string; readonly instanceUuid?: string } {
  const { uid, instanceUuid } = handle.data;
  if (handle.version === HANDLE_VERSION && typeof uid === 'string')
    return { uid, ...(typeof instanceUuid === 'string' ? { instanceUuid } : {}) };
  throw new PortLayerError('INVALID_SPEC', 'The handle is not one of the executor vsphere.', {
    required: `version ${HANDLE_VERSION} with a uid`,
    found: `version ${handle.version}`,
    remedy: 'Run the version of the service that started this container, or remove the container.',
  });
}
