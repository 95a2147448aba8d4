import { isValid, monotonicFactory } from 'ulid';
import { PortLayerError } from '../errors/port-layer-error.js';

const nextUlid = monotonicFactory();

/**
 * A new id: 26 characters, sortable by time, never reused, unique across hosts (a ULID).
 * Used as the CRID of a checkpoint and as the uid of a container.
 */
export function newUlid(): string {
  return nextUlid();
}

/** True for 26 characters of Crockford's base 32 in upper case, as {@link newUlid} makes them. */
export function isUlid(text: string): boolean {
  return text.length === 26 && text === text.toUpperCase() && isValid(text);
}

/** What a container's, checkpoint's or label's name may look like: docker's pattern, 1 to 63 characters. */
export const NAME_PATTERN = '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$';

/** A published checkpoint's `name:tag`, as docker's image references are written. */
export const REFERENCE_PATTERN = '^[a-z0-9][a-z0-9_.-]{0,62}:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,62}$';

const name = new RegExp(NAME_PATTERN);
const reference = new RegExp(REFERENCE_PATTERN);

/** Throws INVALID_SPEC unless `value` is a legal name; `field` is how the caller knows it. */
export function checkName(field: string, value: string): void {
  if (name.test(value)) return;
  throw new PortLayerError('INVALID_SPEC', `${field} is not a legal name.`, {
    required: `1 to 63 characters of a-z A-Z 0-9 _ . - with a letter or digit first (${NAME_PATTERN})`,
    found: JSON.stringify(value.slice(0, 80)),
    remedy: 'Choose a name without slashes, spaces or other characters.',
    facts: { field },
  });
}

/** Throws INVALID_SPEC unless `value` has the form `name:tag`. */
export function checkReference(field: string, value: string): void {
  if (reference.test(value)) return;
  throw new PortLayerError('INVALID_SPEC', `${field} is not of the form name:tag.`, {
    required: `name:tag (${REFERENCE_PATTERN})`,
    found: JSON.stringify(value.slice(0, 140)),
    remedy: 'Write it as an image reference, for example index:warm.',
    facts: { field },
  });
}
