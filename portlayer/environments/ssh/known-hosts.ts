import { createHash, createHmac } from 'node:crypto';

/** One line of a file of known hosts. Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
interface KnownHost {
  readonly marker: string;
  readonly patterns: readonly string[];
  readonly type: string;
  /** The key in base64. */
  readonly key: string;
}

/** What files of known hosts say of a key. */
export type KeyVerdict =
  /** It is the host's. */
  | 'known'
  /** The host has another key, or had this one revoked. */
  | 'changed'
  | 'revoked'
  /** Nothing is known of the host. */
  | 'unknown';

/** Files of known hosts, read. */
export interface KnownHosts {
  /** What they say of `key` (its wire form) of the host at `name` and `port`. */
  judge(name: string, port: number, key: Buffer): KeyVerdict;
  /** The types of key that are known of it: to be asked for first, so that a known host does not show one that is not. */
  typesOf(name: string, port: number): readonly string[];
}

/** Reads the texts of files of known hosts. Lines that cannot be read are passed over, as OpenSSH does. Certificate authorities are not asked. */
export function parseKnownHosts(texts: readonly string[]): KnownHosts {
  const known = texts.flatMap(text => text.split('\n')).flatMap(parseLine);
  const of = (name: string, port: number) => {
    const searched = port === 22 ? name : `[${name}]:${port}`;
    return known.filter(host => matches(host.patterns, searched.toLowerCase()));
  };
  return {
    judge(name, port, key) {
      const encoded = key.toString('base64');
      const here = of(name, port);
      if (here.some(host => host.marker === '@revoked' && host.key === encoded)) return 'revoked';
      const own = here.filter(host => host.marker === '');
      if (own.length === 0) return 'unknown';
      return own.some(host => host.key === encoded) ? 'known' : 'changed';
    },
    typesOf: (name, port) => [
      ...new Set(
        of(name, port)
          .filter(h => h.marker === '')
          .map(h => h.type),
      ),
    ],
  };
}

/** `SHA256:` and the digest of a key as OpenSSH prints it. */
export function keyDigest(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a key names itself, in its wire form. */
export function keyType(key: Buffer): string {
  return key.length < 4 ? '' : key.toString('latin1', 4, 4 + Math.min(key.readUInt32BE(0), 64));
}

function parseLine(line: string): readonly KnownHost[] {
  if (/^\s*(#|$)/.test(line)) return [];
  const fields = line.trim().split(/\s+/);
  const marker = fields[0]?.startsWith('@') ? (fields.shift() as string) : '';
  const [names, type, key] = fields;
  if (names === undefined || type === undefined || key === undefined) return [];
  return [{ marker, patterns: names.split(','), type, key }];
}

function matches(patterns: readonly string[], name: string): boolean {
  let found = false;
  for (const pattern of patterns) {
    if (pattern.startsWith('|1|')) found ||= matchesHashed(pattern, name);
    else if (pattern.startsWith('!')) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else found ||= matchesPattern(pattern, name);
  }
  return found;
}

function matchesHashed(pattern: string, name: string): boolean {
  const [, , salt = '', digest = ''] = pattern.split('|');
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === digest;
}

/** `*` is any characters, `?` is one. */
function matchesPattern(pattern: string, name: string): boolean {
  const escaped = pattern.toLowerCase().replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}
