import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority for one test, made with openssl. */
export interface Authority {
  readonly ca: string;
  /** @param days negative: it has expired */
  issue(name: string, subject: string, options?: { days?: number; san?: string }): CertificateFiles;
  remove(): void;
}

/** Why there can be no certificates here, or undefined. */
export function whyNoCertificates(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'openssl is missing: apt-get install openssl';
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes an authority in a directory of its own. */
export function makeAuthority(): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'portlayer-ca-'));
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    ...KEY,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-subj',
    '/CN=a test',
    '-days',
    '2',
  );
  return {
    ca: at('ca.pem'),
    issue(name, subject, { days = 2, san } = {}) {
      openssl('req', ...KEY, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', subject);
      writeFileSync(at(`${name}.ext`), san === undefined ? '' : `subjectAltName=${san}\n`);
      const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', String(days)];
      const request = ['-in', at(`${name}.csr`), '-out', at(`${name}.pem`), '-extfile', at(`${name}.ext`)];
      openssl('x509', '-req', ...request, ...signed);
      return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
