import type { PeerCertificate } from 'node:tls';
import { type Peer, ROLES, type Role } from './roles.js';

/** Which certificates have which roles: every given part must be in the certificate. */
export interface RoleMapping {
  /** An organizational unit of the subject. */
  readonly ou?: string;
  /** The subject's common name. */
  readonly cn?: string;
  /** An alternative name as it stands in the certificate: `URI:spiffe://here/ci`, `DNS:build-2`. */
  readonly san?: string;
  readonly roles: readonly Role[];
}

/** Where nothing is configured: the organizational unit, or an alternative name `URI:portlayer:role:ROLE`, is the role's name. */
export const DEFAULT_MAPPING: readonly RoleMapping[] = ROLES.flatMap(role => [
  { ou: role, roles: [role] },
  { san: `URI:portlayer:role:${role}`, roles: [role] },
]);

/** Who has a certificate that the TLS handshake has verified, and which roles all matching mappings together give. Pure. */
export function peerOf(certificate: Partial<PeerCertificate>, mapping: readonly RoleMapping[]): Peer {
  // Node types a subject's parts as text; one that stands more than once comes as a list.
  const subject = (certificate.subject ?? {}) as unknown as Readonly<Record<string, string | string[]>>;
  const parts = (key: string) => [subject[key] ?? []].flat();
  const names = (certificate.subjectaltname ?? '')
    .split(', ')
    .map(name => name.replace(/^URI:"(.*)"$/, 'URI:$1'));
  const has = (list: readonly string[], value: string | undefined) =>
    value === undefined || list.includes(value);
  const roles = mapping
    .filter(({ ou, cn, san }) => has(parts('OU'), ou) && has(parts('CN'), cn) && has(names, san))
    .filter(({ ou, cn, san }) => (ou ?? cn ?? san) !== undefined)
    .flatMap(each => each.roles);
  const name = parts('CN')[0] ?? names[0] ?? 'unnamed';
  return { who: `api ${printable(name)}`, roles: ROLES.filter(role => roles.includes(role)) };
}

/** A certificate's words are its maker's: nothing of them steers whoever reads the audit. */
function printable(text: string): string {
  return text.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
}
