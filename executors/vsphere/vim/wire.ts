/** A reference to a managed object. */
export interface Ref {
  readonly type: string;
  /** The moid. Only good as long as the vCenter keeps it: never persisted alone. */
  readonly value: string;
}

/** An object of the API's as node-soap sends it; keys in the order of the schema, which vCenter insists on. */
export type Wire = { readonly [key: string]: unknown };

/** A reference as a value to send. */
export function ref({ type, value }: Ref): Wire {
  return { attributes: { type }, $value: value };
}

/** An object that stands where the schema names a base type. */
export function typed(type: string, fields: Wire): Wire {
  return { attributes: { 'xsi:type': type }, ...fields };
}

/** An entry of extraConfig. Its value is of any type, so it must say that it is text. */
export function option(key: string, value: string): Wire {
  return typed('OptionValue', { key, value: { attributes: { 'xsi:type': 'xsd:string' }, $value: value } });
}

/** Entries of extraConfig; an empty value takes a key away. */
export function options(values: Readonly<Record<string, string>>): readonly Wire[] {
  return Object.entries(values).map(([key, value]) => option(key, value));
}

/** What came, without the traces of XML: references as {@link Ref}, values as values, `$type` where a type was said. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const { attributes, $value, ...rest } = value as Record<string, unknown>;
  const said = (attributes ?? {}) as Record<string, unknown>;
  const type = xsiType(said);
  if (typeof said.type === 'string' && typeof $value === 'string') return { type: said.type, value: $value };
  if ($value !== undefined) return scalar(type, $value);
  const fields = Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, plain(inner)]));
  if (type.startsWith('ArrayOf')) return Object.values(fields).flatMap(list);
  if (type !== '' && Object.keys(fields).length === 0 && /^(string|xsd:string)$/.test(type)) return '';
  return type === '' ? fields : { ...fields, $type: type };
}

/** One or many or none, as an array. */
export function list(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** node-soap keeps the prefix that the server chose. */
function xsiType(attributes: Record<string, unknown>): string {
  const key = Object.keys(attributes).find(name => /^[\w-]+:type$/.test(name));
  const type = key === undefined ? '' : String(attributes[key]);
  return type.replace(/^(?!xsd:)[\w-]+:/, '');
}

function scalar(type: string, value: unknown): unknown {
  switch (type.replace(/^xsd:/, '')) {
    case 'boolean':
      return value === true || value === 'true' || value === '1';
    case 'int':
    case 'long':
    case 'short':
      return Number(value);
    default:
      return value;
  }
}
