import { createHash } from 'node:crypto';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';

/** What tells one container from its copies, on its host's side. */
export interface Identity {
  readonly hostname: string;
  /** 32 hex digits. */
  readonly machineId: string;
}

/** A container's own identity: the host name of its spec or its name, and a machine id that follows from its uid. */
export function identityOf(uid: string, spec: Pick<ContainerSpec, 'name' | 'hostname'>): Identity {
  const machineId = createHash('sha256').update(`portlayer machine-id ${uid}`).digest('hex').slice(0, 32);
  return { hostname: spec.hostname ?? hostnameOf(spec.name), machineId };
}

/** The texts of a container's own files below /etc. */
export function ownFileTexts(
  identity: Identity,
  address: string | undefined,
  resolvConf: string,
): Record<string, string> {
  const own = `${address ?? '127.0.1.1'}\t${identity.hostname}`;
  return {
    hostname: `${identity.hostname}\n`,
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}\n`,
    'machine-id': `${identity.machineId}\n`,
    'resolv.conf': resolvConf,
  };
}

/** A container's name as a host name: without the characters that one may not have. */
function hostnameOf(name: string): string {
  return name
    .replaceAll('_', '-')
    .replace(/[-.]+$/, '')
    .slice(0, 63);
}
