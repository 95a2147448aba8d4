import { createHash } from 'node:crypto';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';

/** What tells one machine from its copies. All of it follows from the container's uid but the host name. */
export interface Identity {
  readonly hostname: string;
  /** 32 hex digits. */
  readonly machineId: string;
  /** A locally administered address: `52:54:00:…` is QEMU's own range. */
  readonly mac: string;
  /** In the machine's own network 10.0.2.0/24, which QEMU makes for it alone; absent without a network. */
  readonly address?: string;
}

/** The gateway of every machine's own network. Source: QEMU's user networking. */
export const GATEWAY = '10.0.2.2';

/** A machine's identity. Pure. */
export function identityOf(
  uid: string,
  spec: Pick<ContainerSpec, 'name' | 'hostname' | 'network'>,
): Identity {
  const digest = createHash('sha256').update(`portlayer machine ${uid}`).digest();
  const hex = (from: number, to: number) => digest.toString('hex', from, to);
  return {
    hostname: spec.hostname ?? hostnameOf(spec.name),
    machineId: hex(0, 16),
    mac: `52:54:00:${hex(16, 17)}:${hex(17, 18)}:${hex(18, 19)}`,
    ...(spec.network === 'none' ? {} : { address: `10.0.2.${16 + ((digest[19] ?? 0) % 224)}` }),
  };
}

/** A container's name as a host name: without the characters that one may not have. */
function hostnameOf(name: string): string {
  return name
    .replaceAll('_', '-')
    .replace(/[-.]+$/, '')
    .slice(0, 63);
}
