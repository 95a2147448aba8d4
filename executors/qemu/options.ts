import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';

/** `executorOptions` of a machine. */
export interface MachineOptions {
  /** QEMU's machine. `microvm` has fewer devices, and no clock but its CPU's. */
  readonly machine: 'q35' | 'microvm';
  /** QEMU's name of a CPU model, without features. */
  readonly cpu: string;
  /** How many copies of each image of this container are kept ready; absent: as the configuration says. */
  readonly standby?: number;
  /** Size of the root file system in bytes; it takes room only as it is written. */
  readonly diskBytes: number;
  /** TCP ports of the host's loopback that lead to ports of the machine. Its copies have none: the ports are taken. */
  readonly forward: readonly { readonly host: number; readonly guest: number }[];
}

const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    machine: { enum: ['q35', 'microvm'], default: 'q35' },
    cpu: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,40}$', default: 'qemu64' },
    forward: {
      type: 'array',
      maxItems: 64,
      default: [],
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['host', 'guest'],
        properties: {
          host: { type: 'integer', minimum: 1, maximum: 65535 },
          guest: { type: 'integer', minimum: 1, maximum: 65535 },
        },
      },
    },
    standby: { type: 'integer', minimum: 0, maximum: 64 },
    diskBytes: { type: 'integer', minimum: 67108864, maximum: 1099511627776, default: 2147483648 },
  },
} as const;

/** Memory of a machine whose spec names none, in bytes. */
const DEFAULT_MEMORY = 256 * 2 ** 20;
const MIB = 2 ** 20;

/** A machine's options with their defaults. Throws INVALID_SPEC. */
export function optionsOf(spec: ContainerSpec): MachineOptions {
  return checkAgainst<MachineOptions>(
    'executorOptions of the executor qemu',
    optionsSchema,
    spec.executorOptions,
  );
}

/** A machine's memory in whole MiB. */
export function memoryMiB(spec: ContainerSpec): number {
  return Math.ceil((spec.resources.memoryBytes ?? DEFAULT_MEMORY) / MIB);
}

/** A machine's virtual CPUs: the limit rounded up, one where there is none. */
export function cpuCount(spec: ContainerSpec): number {
  return Math.max(1, Math.ceil(spec.resources.cpus ?? 1));
}

/** QEMU's names of a machine's devices: ports, disk, and a card where there is a network. */
export function devicesOf(spec: ContainerSpec): readonly string[] {
  const bus = optionsOf(spec).machine === 'microvm' ? 'device' : 'pci';
  const card = spec.network === 'none' ? [] : [`virtio-net-${bus}`];
  return [`virtio-serial-${bus}`, 'virtserialport', `virtio-blk-${bus}`, ...card];
}
