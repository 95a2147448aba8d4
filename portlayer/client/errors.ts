import { type ServiceError, status } from '@grpc/grpc-js';
import { decodeErrorInfo } from '../../proto/rpc-status.js';
import {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  PortLayerError,
} from '../errors/port-layer-error.js';

/** For a status that came without ErrorInfo: from gRPC itself, not from the service. */
const BARE: Readonly<Partial<Record<status, { code: ErrorCode; remedy: string }>>> = {
  [status.UNAVAILABLE]: {
    code: 'EXECUTOR_UNAVAILABLE',
    remedy:
      'Start the service: portlayer serve. Where it runs elsewhere, name its socket with --address unix:PATH.',
  },
  [status.CANCELLED]: { code: 'CANCELED', remedy: 'Repeat the call when it is wanted again.' },
  [status.DEADLINE_EXCEEDED]: {
    code: 'CANCELED',
    remedy: 'Allow more time, or see what the service is busy with.',
  },
  [status.UNIMPLEMENTED]: {
    code: 'CAPABILITY_MISSING',
    remedy: 'The service is older than this client: use the same version of both.',
  },
  [status.RESOURCE_EXHAUSTED]: {
    code: 'QUOTA_EXCEEDED',
    remedy: 'Ask for less at once: a message is 4 MiB at most.',
  },
  [status.INVALID_ARGUMENT]: { code: 'INVALID_SPEC', remedy: 'Correct the request and repeat the call.' },
};

/** The error that the service threw, by its ErrorInfo; never by its text. Any other caught value: `PortLayerError.from`. */
export function errorFromCall(caught: unknown, address: string): PortLayerError {
  if (!isServiceError(caught)) return PortLayerError.from(caught);
  const [bytes] = caught.metadata.get('grpc-status-details-bin');
  const info = Buffer.isBuffer(bytes) ? decodeErrorInfo(bytes) : undefined;
  const code = ERROR_CODES.find(each => each === info?.reason);
  if (info?.domain !== 'portlayer' || !code) return bareError(caught, address);
  const { required, found, remedy, ...facts } = info.metadata;
  const details: ErrorDetails = {
    ...(required !== undefined && { required }),
    ...(found !== undefined && { found }),
    ...(remedy !== undefined && { remedy }),
    facts,
    cause: caught,
  };
  return new PortLayerError(code, caught.details, details);
}

function bareError(caught: ServiceError, address: string): PortLayerError {
  const bare = BARE[caught.code];
  if (!bare) return new PortLayerError('INTERNAL', caught.details, { facts: { address }, cause: caught });
  const unreachable = bare.code === 'EXECUTOR_UNAVAILABLE';
  const overTls = address.startsWith('tcp:');
  const message = unreachable
    ? `No service answers at ${address}.`
    : `${caught.details || 'The call ended'}.`;
  return new PortLayerError(bare.code, message.replace(/\.+$/, '.'), {
    ...(unreachable && {
      required: 'a running service',
      found: caught.details.replace(/\s*Resolution note:.*$/s, ''),
    }),
    remedy: unreachable && overTls ? TLS_REMEDY : bare.remedy,
    facts: { address },
    cause: caught,
  });
}

const TLS_REMEDY =
  'See that a service listens there (portlayer serve --listen tcp:HOST:PORT), that the authority of --tls-ca signed its certificate and the certificate names this host, and that the service trusts the signer of --tls-cert.';

function isServiceError(caught: unknown): caught is ServiceError {
  return caught instanceof Error && 'metadata' in caught && 'details' in caught && 'code' in caught;
}
