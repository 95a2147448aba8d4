import { isErrno, PortLayerError } from '../../../portlayer/errors/port-layer-error.js';

/** Failures before anything was sent: the request cannot have been carried out. */
const BEFORE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * The error for a vCenter that could not be spoken to. `facts.uncertain` is `true` where the request may have been
 * carried out all the same; `facts.reason` is Node's code, or `certificate`.
 */
export function unreachable(server: string, cause: Error, reused = false): PortLayerError {
  const code = isErrno(cause) ? (cause.code ?? '') : '';
  if (/CERT|SIGNATURE|SELF_SIGNED|ALTNAME/.test(code)) return untrusted(server, cause, code);
  const uncertain = !BEFORE.has(code);
  return new PortLayerError('EXECUTOR_UNAVAILABLE', `The vCenter ${server} does not answer.`, {
    required: 'an answer',
    found: cause.message,
    remedy: 'See that it is up and can be reached from here; calls go on when it is back.',
    facts: {
      server,
      reason: code || 'timeout',
      ...(uncertain ? { uncertain: 'true' } : {}),
      ...(reused ? { reused: 'true' } : {}),
    },
    cause,
  });
}

function untrusted(server: string, cause: Error, code: string): PortLayerError {
  return new PortLayerError(
    'EXECUTOR_UNAVAILABLE',
    `The certificate of the vCenter ${server} is not trusted.`,
    {
      required: 'a certificate that the configured ca, or else the host, vouches for',
      found: `${code}: ${cause.message}`,
      remedy:
        'Put the CA of this vCenter (https://SERVER/certs/download.zip) into a file, and its path into the setting ca of the environment.',
      facts: { server, reason: 'certificate', certificate: code },
      cause,
    },
  );
}

/** Whether an error says that the vCenter could not be reached, so that the same may be tried again. */
export function isUnreachable(caught: unknown): caught is PortLayerError {
  return (
    caught instanceof PortLayerError &&
    caught.facts.reason !== undefined &&
    caught.facts.reason !== 'certificate' &&
    caught.facts.fault === undefined
  );
}
