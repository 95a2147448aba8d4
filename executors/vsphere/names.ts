import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { isUlid } from '../../portlayer/model/ids.js';

/** Our own keys in a machine's extraConfig, which say whose it is: a moid alone does not outlive a vCenter. */
export const KEYS = {
  /** The container's uid, of its machine. */
  uid: 'portlayer.uid',
  /** The layer's id, of a machine that is a frozen layer. */
  layer: 'portlayer.layer',
  /** The checkpoint's id, of a machine that is an image. */
  image: 'portlayer.image',
  /** The layer that a machine's disk stands on; `template` where it is none. */
  base: 'portlayer.base',
  /** How the last run ended, until the core has recorded it. */
  exit: 'portlayer.exit',
  /** The writable layer is to be thrown away at the next start. */
  discarded: 'portlayer.discarded',
  /** To be removed when no other machine's disk stands on it any more. */
  doomed: 'portlayer.doomed',
} as const;

/** Keys that the guest sees. */
export const GUEST_KEYS = {
  launch: 'guestinfo.portlayer.launch',
  down: 'guestinfo.portlayer.down',
  up: 'guestinfo.portlayer.up',
  identity: 'guestinfo.portlayer.identity',
} as const;

/** Base of a machine that was cloned from the template itself. */
export const TEMPLATE_BASE = 'template';

/** The machine of a container. Throws INVALID_SPEC for a uid that is none. */
export function machineName(uid: string): string {
  return `portlayer-${checked('uid', uid)}`;
}

/** The machine that is a frozen layer. Throws INVALID_SPEC for an id that is none. */
export function layerName(layer: string): string {
  return `portlayer-layer-${checked('layer', layer)}`;
}

/** The machine that is a checkpoint's image. Throws INVALID_SPEC for an id that is none. */
export function imageName(crid: string): string {
  return `portlayer-image-${checked('crid', crid)}`;
}

function checked(field: string, id: string): string {
  if (isUlid(id)) return id;
  throw new PortLayerError('INVALID_SPEC', `${field} is not a legal id.`, {
    required: 'a ULID, 26 characters',
    found: JSON.stringify(id.slice(0, 80)),
    remedy: 'Use the id as it was given.',
    facts: { field },
  });
}
