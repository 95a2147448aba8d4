import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { RoleMapping } from './api/certificate-roles.js';
import type { Listener } from './api/listener.js';
import { ROLES, type Role } from './api/roles.js';
import type { TlsFiles } from './api/tls.js';
import { PortLayerError } from './errors/port-layer-error.js';
import { checkAgainst } from './model/schema-check.js';
import { atPlace, parseConfig } from './read-config.js';

/** The member `api` of a configuration file: where the service listens, and who may do what. */
export interface ApiConfig {
  /** As `--listen` takes them; beside the service's own socket. */
  readonly listen?: readonly string[];
  readonly tls?: TlsFiles;
  /** Which certificates have which roles. Default: by their organizational unit. */
  readonly roles?: readonly RoleMapping[];
}

const file = { type: 'string', pattern: '^/[^\\u0000]+$' } as const;
const text = { type: 'string', minLength: 1, maxLength: 255 } as const;
const apiSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    listen: { type: 'array', maxItems: 16, items: { type: 'string' } },
    tls: {
      type: 'object',
      additionalProperties: false,
      required: ['cert', 'key', 'clientCa'],
      properties: { cert: file, key: file, clientCa: file },
    },
    roles: {
      type: 'array',
      maxItems: 1000,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['roles'],
        minProperties: 2,
        properties: {
          ou: text,
          cn: text,
          san: text,
          roles: { type: 'array', minItems: 1, items: { enum: ROLES } },
        },
      },
    },
  },
} as const;

/** The member `api` of a configuration file. Throws INVALID_SPEC; that the file can be read as a whole is `readConfig`'s to say. */
export async function readApiConfig(path: string | undefined): Promise<ApiConfig> {
  if (path === undefined) return {};
  const { content, place } = parseConfig(path, await readFile(path, 'utf8'));
  return atPlace(place, ['api'], () =>
    checkAgainst<ApiConfig>(`api in ${path}`, apiSchema, content.api ?? {}),
  );
}

/**
 * A listener as it is written: `unix:PATH[,role=ROLE[+ROLE]][,mode=0660][,group=NAME]` or `tcp:HOST:PORT`.
 * Throws INVALID_SPEC.
 */
export function parseListener(written: string, { tls, roles }: ApiConfig): Listener {
  const [address = '', ...options] = written.split(',');
  if (address.startsWith('unix:'))
    return { path: socketOf(address, written), ...unixOptions(options, written) };
  const [, host, port] = /^tcp:(?:\/\/)?(\[[0-9a-fA-F:]+\]|[^:/]+):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65_535 || options.length > 0) throw illegal(written);
  if (!tls) {
    throw new PortLayerError('INVALID_SPEC', 'A port is served only with certificates on both sides.', {
      required: 'a certificate, its key, and the authority of the callers’ certificates',
      found: `${written} without them`,
      remedy: 'Give --tls-cert, --tls-key and --tls-client-ca, or api.tls in the configuration.',
      facts: { field: 'api.tls' },
    });
  }
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    tls,
    ...(roles && { mapping: roles }),
  };
}

function socketOf(address: string, written: string): string {
  const path = address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
  if (!isAbsolute(path)) throw illegal(written);
  return path;
}

function unixOptions(
  options: readonly string[],
  written: string,
): { roles?: readonly Role[]; mode?: number; gid?: number } {
  const found: { roles?: readonly Role[]; mode?: number; gid?: number } = {};
  for (const option of options) {
    const [, key, value = ''] = /^(role|mode|group)=(.+)$/.exec(option) ?? [];
    if (key === 'role') found.roles = value.split('+').map(role => roleNamed(role, written));
    else if (key === 'mode' && /^0?[0-7]{3}$/.test(value)) found.mode = Number.parseInt(value, 8);
    else if (key === 'group') found.gid = groupId(value, written);
    else throw illegal(written);
  }
  return found;
}

function roleNamed(name: string, written: string): Role {
  const role = ROLES.find(each => each === name);
  if (role === undefined) throw illegal(written);
  return role;
}

/** A group's number, by `/etc/group` where it is given by name. */
function groupId(name: string, written: string): number {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find(each => each.startsWith(`${name}:`));
  const gid = Number(line?.split(':')[2] ?? Number.NaN);
  if (!Number.isInteger(gid)) throw illegal(`${written} (there is no group ${name})`);
  return gid;
}

function illegal(found: string): PortLayerError {
  return new PortLayerError('INVALID_SPEC', 'The service cannot listen there.', {
    required: `unix:PATH[,role=ROLE[+ROLE]][,mode=0660][,group=NAME] or tcp:HOST:PORT; a role is one of ${ROLES.join(', ')}`,
    found,
    remedy: 'Write it as --listen unix:/run/portlayer.sock',
    facts: { field: 'listen' },
  });
}
