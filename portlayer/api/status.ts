import { randomUUID } from 'node:crypto';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { encodeStatus } from '../../proto/rpc-status.js';
import { type ErrorCode, PortLayerError } from '../errors/port-layer-error.js';

/** The one table from error codes to gRPC statuses (design, section 8). */
const STATUS: Readonly<Record<ErrorCode, status>> = {
  INVALID_SPEC: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  CAPABILITY_MISSING: status.UNIMPLEMENTED,
  CONSTRAINT_UNMET: status.FAILED_PRECONDITION,
  WRONG_STATE: status.FAILED_PRECONDITION,
  OPERATION_PENDING: status.ABORTED,
  STALE_GENERATION: status.ABORTED,
  TRIGGER_DENIED: status.PERMISSION_DENIED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  STORE_FULL: status.RESOURCE_EXHAUSTED,
  QUOTA_EXCEEDED: status.RESOURCE_EXHAUSTED,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  EXECUTOR_UNAVAILABLE: status.UNAVAILABLE,
  QUIESCE_TIMEOUT: status.DEADLINE_EXCEEDED,
  CHECKPOINT_CORRUPT: status.DATA_LOSS,
  CANCELED: status.CANCELLED,
  INTERNAL: status.INTERNAL,
};

/** The gRPC status of an error. CAPABILITY_MISSING with `facts.placement`: the call is known, no placement fits. */
export function statusOf(error: PortLayerError): status {
  const noPlacement = error.code === 'CAPABILITY_MISSING' && error.facts.placement !== undefined;
  return noPlacement ? status.FAILED_PRECONDITION : STATUS[error.code];
}

/** Trailers travel in HTTP/2 headers, of which some clients take no more than 8 KiB. */
const MAX_VALUE = 1000;
const MAX_METADATA = 4000;

/**
 * Whatever a handler threw, as grpc-js sends it: status, message, and a `google.rpc.Status` with ErrorInfo whose
 * metadata is the facts with required, found and remedy. An INTERNAL error is scrubbed: the caller gets an id,
 * `log` the cause with the same id.
 */
export function toServiceError(caught: unknown, log: (message: string) => void): ServiceError {
  const error = scrubbed(PortLayerError.from(caught), log);
  const code = statusOf(error);
  const message = clip(error.message);
  const metadata = new Metadata();
  const info = { reason: error.code, domain: 'portlayer', metadata: metadataOf(error) };
  metadata.set('grpc-status-details-bin', encodeStatus(code, message, info));
  return Object.assign(new Error(message), { code, details: message, metadata });
}

function scrubbed(error: PortLayerError, log: (message: string) => void): PortLayerError {
  if (error.code !== 'INTERNAL') return error;
  const id = randomUUID().slice(0, 8);
  const cause = error.cause instanceof Error ? error.cause : error;
  log(`internal error ${id}: ${cause.stack ?? cause.message}`);
  return new PortLayerError('INTERNAL', `internal error, id ${id}`, {
    remedy: `Look for ${id} in the log of the service.`,
    facts: { id },
  });
}

function metadataOf(error: PortLayerError): Record<string, string> {
  const { required, found, remedy, facts } = error;
  const metadata: Record<string, string> = {};
  let room = MAX_METADATA;
  // What the error says of itself comes first and wins over a fact of the same name.
  for (const [key, value] of [...Object.entries({ remedy, required, found }), ...Object.entries(facts)]) {
    const text = value === undefined ? '' : clip(value);
    if (value === undefined || key in metadata || key.length + text.length > room) continue;
    metadata[key] = text;
    room -= key.length + text.length;
  }
  return metadata;
}

/** At most MAX_VALUE code points, and well-formed: grpc-js throws on half a surrogate pair. */
function clip(text: string): string {
  const wellFormed = Buffer.from(text.slice(0, 2 * MAX_VALUE)).toString();
  const points = [...wellFormed];
  return points.length <= MAX_VALUE ? wellFormed : `${points.slice(0, MAX_VALUE - 1).join('')}…`;
}
