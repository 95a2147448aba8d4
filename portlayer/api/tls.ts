import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** Files in PEM form; absolute paths. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates of callers. */
  readonly clientCa: string;
}

/**
 * Credentials that take only callers with a certificate that `clientCa` signed and that is valid now. Throws
 * INVALID_SPEC for files that cannot be read or do not fit each other, and for a certificate that is not valid now.
 */
export async function mutualTls(files: TlsFiles): Promise<ServerCredentials> {
  const [cert, key, clientCa] = await Promise.all([
    read('cert', files),
    read('key', files),
    read('clientCa', files),
  ]);
  try {
    createSecureContext({ cert, key, ca: clientCa });
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw unfit('a certificate, its key and an authority, as PEM', found, 'Correct the files.', cause);
  }
  requireValidNow(files.cert, cert);
  return ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], true);
}

async function read(which: keyof TlsFiles, files: TlsFiles): Promise<Buffer> {
  try {
    return await readFile(files[which]);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw unfit(`${which}: a file that can be read`, found, 'Correct the path, or its permissions.', cause);
  }
}

function requireValidNow(path: string, pem: Buffer): void {
  const { validFrom, validTo } = new X509Certificate(pem);
  const now = Date.now();
  if (Date.parse(validFrom) <= now && now <= Date.parse(validTo)) return;
  throw unfit(
    'a certificate that is valid now',
    `${path} is valid from ${validFrom} to ${validTo}`,
    'Renew the certificate, or correct the clock.',
  );
}

function unfit(required: string, found: string, remedy: string, cause?: unknown): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The service cannot listen with these TLS files.', {
    required,
    found,
    remedy,
    facts: { field: 'api.tls' },
    cause,
  });
}
