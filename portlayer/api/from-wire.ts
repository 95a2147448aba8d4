import type { Duration__Output } from '../../proto/types/google/protobuf/Duration.js';
import type { Timestamp__Output } from '../../proto/types/google/protobuf/Timestamp.js';
import type { PageRequest } from '../dispatch/dispatch.js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** The longest duration taken: ten years. */
const MAX_DURATION_S = 315_360_000;
const MAX_PAGE = 1000;
const MAX_REQUEST_ID = 128;

/** INVALID_SPEC for one field of a request. */
export function invalid(field: string, required: string, found: unknown): PortLayerError {
  const shown = found === undefined ? 'nothing' : String(JSON.stringify(found)).slice(0, 120);
  return new PortLayerError('INVALID_SPEC', `${field} must be ${required}.`, {
    required,
    found: shown,
    remedy: `Correct ${field} and repeat the call.`,
    facts: { field },
  });
}

/** A request_id: empty, or at most 128 characters. */
export function requestId(value: string | undefined): string {
  const id = value ?? '';
  if (id.length > MAX_REQUEST_ID) throw invalid('request_id', `at most ${MAX_REQUEST_ID} characters`, id);
  return id;
}

/** A text that must be given. */
export function requiredText(field: string, value: string | undefined): string {
  if (value === undefined || value === '') throw invalid(field, 'given', value);
  return value;
}

/** A text that may be left out; empty is left out. */
export function optionalText(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** A number that fits a JavaScript number and is not negative. */
export function count(field: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(field, 'a whole number of at most 2^53 - 1', value);
  return value;
}

/** CPUs: a number that is not negative. */
export function cpus(field: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) throw invalid(field, 'a number of 0 or more', String(value));
  return value;
}

/** A duration in whole milliseconds, rounded up, so that a very short one does not become "none". */
export function durationMs(field: string, value: Duration__Output | undefined): number | undefined {
  if (!value) return undefined;
  const [seconds, nanos] = [value.seconds ?? 0, value.nanos ?? 0];
  const legal = seconds >= 0 && seconds <= MAX_DURATION_S && nanos >= 0 && nanos < 1e9;
  if (!legal) throw invalid(field, 'a duration from 0 to ten years', { seconds, nanos });
  return seconds * 1000 + Math.ceil(nanos / 1e6);
}

/** A moment in milliseconds since 1970. */
export function timestampMs(field: string, value: Timestamp__Output | undefined): number | undefined {
  if (!value) return undefined;
  const [seconds, nanos] = [value.seconds ?? 0, value.nanos ?? 0];
  const legal = seconds >= 0 && seconds < 253_402_300_800 && nanos >= 0 && nanos < 1e9;
  if (!legal) throw invalid(field, 'a time from 1970 to 9999', { seconds, nanos });
  return seconds * 1000 + Math.floor(nanos / 1e6);
}

/**
 * The word for an enum's value: `CONTAINER_STATE_RUNNING` with prefix `CONTAINER_STATE_` is `running`. Undefined for
 * an unset or UNSPECIFIED one. A number stands for a value that this service does not know.
 */
export function word<T extends string>(
  field: string,
  prefix: string,
  words: readonly T[],
  value: string | number | undefined,
): T | undefined {
  if (value === undefined || value === `${prefix}UNSPECIFIED`) return undefined;
  const found = words.find(each => `${prefix}${each.toUpperCase().replaceAll('-', '_')}` === value);
  if (found === undefined) throw invalid(field, `one of ${words.join(', ')}`, value);
  return found;
}

/** The words of a repeated enum; undefined where it is empty. */
export function wordList<T extends string>(
  field: string,
  prefix: string,
  words: readonly T[],
  values: readonly (string | number)[],
): T[] | undefined {
  if (values.length === 0) return undefined;
  return values.map(value => {
    const found = word(field, prefix, words, value);
    if (found === undefined) throw invalid(field, `one of ${words.join(', ')}`, value);
    return found;
  });
}

/** Paging: 0 is 100. */
export function page(size: number | undefined, token: string | undefined): PageRequest {
  const wanted = size ? size : 100;
  if (wanted > MAX_PAGE) throw invalid('page_size', `1 to ${MAX_PAGE}`, wanted);
  return token ? { size: wanted, token } : { size: wanted };
}

/** The object without its undefined members: what `exactOptionalPropertyTypes` and the spec's check want. */
export function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
