import { createHash, randomBytes } from 'node:crypto';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';

/** What tells one machine from its copies, inside. Its MAC and address are vCenter's and the network's to give. */
export interface Identity {
  readonly hostname: string;
  /** 32 hex digits. */
  readonly machineId: string;
}

/** A machine's identity, from the container's uid and name. Pure. */
export function identityOf(uid: string, spec: Pick<ContainerSpec, 'name' | 'hostname'>): Identity {
  const digest = createHash('sha256').update(`portlayer vsphere ${uid}`).digest('hex');
  return { hostname: spec.hostname ?? hostnameOf(spec.name), machineId: digest.slice(0, 32) };
}

/** The uid as a BIOS UUID: a ULID has its 128 bits. */
export function uuidOf(uid: string): string {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let bits = 0n;
  for (const char of uid) bits = bits * 32n + BigInt(digits.indexOf(char));
  const hex = bits.toString(16).padStart(32, '0').slice(-32);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A word for one run or one clone of a container's machine: a guest that reads another than its own is a copy. */
export function newSelf(id: string): string {
  return `${id}.${randomBytes(4).toString('hex')}`;
}

/** A container's name as a host name: without the characters that one may not have. */
function hostnameOf(name: string): string {
  return name
    .replaceAll('_', '-')
    .replace(/[-.]+$/, '')
    .slice(0, 63);
}
