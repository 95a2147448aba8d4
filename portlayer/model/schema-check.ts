import { Ajv, type AnySchema, type ErrorObject, type ValidateFunction } from 'ajv';
import { PortLayerError } from '../errors/port-layer-error.js';

const ajv = new Ajv({ useDefaults: true, allErrors: false, strict: true, strictTypes: false, verbose: true });
const compiled = new WeakMap<object, ValidateFunction>();

/**
 * A deep copy of `value`, with the schema's defaults filled in, if it fits the JSON Schema.
 * Throws INVALID_SPEC with the offending field, what it must be and what was found.
 *
 * @param what how a person calls the thing that is checked, for the message
 */
export function checkAgainst<T>(what: string, schema: object, value: unknown): T {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile(schema as AnySchema);
    compiled.set(schema, validate);
  }
  const copy: unknown = structuredClone(value);
  if (validate(copy)) return copy as T;
  throw specError(what, validate.errors?.[0]);
}

function specError(what: string, error: ErrorObject | undefined): PortLayerError {
  const field = fieldName(error);
  const required = requirement(error);
  const unknownField = error?.keyword === 'additionalProperties';
  return new PortLayerError('INVALID_SPEC', `The ${what} is not valid: ${field || what} ${required}.`, {
    required,
    found: unknownField ? `unknown field ${field}` : shorten(error?.data),
    remedy: unknownField
      ? `Remove ${field} or correct its spelling.`
      : `Correct ${field || what} and repeat the call.`,
    facts: { field },
  });
}

function fieldName(error: ErrorObject | undefined): string {
  const path = (error?.instancePath ?? '').replace(/^\//, '').replaceAll('/', '.');
  const params = (error?.params ?? {}) as Record<string, unknown>;
  const child = params.additionalProperty ?? params.missingProperty ?? params.propertyName;
  return child === undefined ? path : [path, String(child)].filter(Boolean).join('.');
}

function requirement(error: ErrorObject | undefined): string {
  const params = (error?.params ?? {}) as Record<string, unknown>;
  switch (error?.keyword) {
    case 'additionalProperties':
      return 'must be a known field';
    case 'required':
      return 'must be given';
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).join(', ')}`;
    case 'pattern':
      return `must match ${String(params.pattern)}`;
    default:
      return error?.message ?? 'must be valid';
  }
}

function shorten(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
