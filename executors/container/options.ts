import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import { checkAgainst } from '../../portlayer/model/schema-check.js';

/** A link to the host's network: a veth pair. Legal only with `network: none`. */
export interface VethOptions {
  /** IPv4 address and prefix inside, as `10.88.0.5/24`. In a copy it is the next free one of the same net. */
  readonly address: string;
  /** IPv4 address and prefix of the host's end, where it is not put on a bridge; also the route out. */
  readonly hostAddress?: string;
  /** A bridge of the host that its end is put on. */
  readonly bridge?: string;
  /** IPv4 address of the route out, with a bridge. */
  readonly gateway?: string;
}

/** What a spec's `executorOptions` may hold for the executor `container`. */
export interface ContainerOptions {
  readonly veth?: VethOptions;
  /** `default`: docker's system call filter. `unconfined`: none. */
  readonly seccomp: 'default' | 'unconfined';
  readonly noNewPrivileges: boolean;
  /**
   * Established TCP connections are kept in an image, and taken up again by a restore at the same address. Otherwise
   * a copy finds them closed, and the original does not notice.
   */
  readonly tcpEstablished: boolean;
  /** A restore brings memory in as it is touched. */
  readonly lazyRestore: boolean;
  /** Copies keep the host name, the machine id and the address of the original. */
  readonly keepIdentity: boolean;
}

const ipv4 = '(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}';
const network = { type: 'string', pattern: `^${ipv4}/([1-9]|[12]\\d|3[0-2])$` } as const;

/** JSON Schema of {@link ContainerOptions}. */
const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    veth: {
      type: 'object',
      additionalProperties: false,
      required: ['address'],
      properties: {
        address: network,
        hostAddress: network,
        bridge: { type: 'string', pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$' },
        gateway: { type: 'string', pattern: `^${ipv4}$` },
      },
    },
    seccomp: { enum: ['default', 'unconfined'], default: 'default' },
    noNewPrivileges: { type: 'boolean', default: true },
    tcpEstablished: { type: 'boolean', default: false },
    lazyRestore: { type: 'boolean', default: false },
    keepIdentity: { type: 'boolean', default: false },
  },
} as const;

/** The options of a spec with their defaults. Throws INVALID_SPEC naming the field. */
export function optionsOf(spec: Pick<ContainerSpec, 'executorOptions'>): ContainerOptions {
  return checkAgainst('executorOptions of the executor container', optionsSchema, spec.executorOptions);
}
