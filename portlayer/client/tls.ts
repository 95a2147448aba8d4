import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** PEM files for a service on a port. */
export interface TlsOptions {
  /** Who signed the service's certificate. */
  readonly ca: string;
  /** The caller's own certificate; its role decides what the caller may do. */
  readonly cert: string;
  readonly key: string;
}

/** The files that `$PORTLAYER_TLS_CA`, `$PORTLAYER_TLS_CERT` and `$PORTLAYER_TLS_KEY` name; undefined unless all three are set. */
export function defaultTls(): TlsOptions | undefined {
  const { PORTLAYER_TLS_CA: ca, PORTLAYER_TLS_CERT: cert, PORTLAYER_TLS_KEY: key } = process.env;
  return ca && cert && key ? { ca, cert, key } : undefined;
}

/** Where and how gRPC connects. */
export interface Target {
  readonly address: string;
  readonly credentials: ChannelCredentials;
}

const TCP = /^(?:tcp|https):(?:\/\/)?(?=[^/])/;

/**
 * What an address stands for. Throws INVALID_SPEC for a port without certificates or with files that cannot be used,
 * PERMISSION_DENIED for a certificate of the caller's that is not valid now: the service would end the connection
 * without a word.
 */
export function targetOf(address: string, tls: TlsOptions | undefined): Target {
  if (!TCP.test(address)) return { address, credentials: credentials.createInsecure() };
  if (!tls) {
    throw new PortLayerError('INVALID_SPEC', 'A service on a port takes only callers with a certificate.', {
      required: 'a certificate, its key, and the authority of the service’s certificate',
      found: `${address} without them`,
      remedy:
        'Give --tls-cert, --tls-key and --tls-ca, or set PORTLAYER_TLS_CERT, PORTLAYER_TLS_KEY and PORTLAYER_TLS_CA.',
      facts: { field: 'tls' },
    });
  }
  const [ca, cert, key] = [read(tls.ca), read(tls.cert), read(tls.key)];
  try {
    requireValidNow(tls.cert, cert);
    const secure = credentials.createSsl(ca, key, cert);
    return { address: `dns:${address.replace(TCP, '')}`, credentials: secure };
  } catch (cause) {
    if (cause instanceof PortLayerError) throw cause;
    throw unusable(tls.cert, cause);
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The TLS file ${path} cannot be used.`, {
    required: 'a PEM file that can be read',
    found: cause instanceof Error ? cause.message : String(cause),
    remedy: 'Correct the path or the file.',
    facts: { field: 'tls' },
    cause,
  });
}

function requireValidNow(path: string, pem: Buffer): void {
  const { validFrom, validTo } = new X509Certificate(pem);
  const now = Date.now();
  const when =
    now > Date.parse(validTo) ? 'has expired' : now < Date.parse(validFrom) ? 'is not valid yet' : '';
  if (when === '') return;
  throw new PortLayerError('PERMISSION_DENIED', `The certificate ${path} ${when}.`, {
    required: 'a certificate that is valid now',
    found: `one that is valid from ${validFrom} to ${validTo}`,
    remedy: 'Renew it, or correct the clock of this host.',
    facts: { certificate: path, validTo },
  });
}
