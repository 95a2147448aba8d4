import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import { PROTO_FILES, protoDirectory } from '../../proto/load.js';
import { PortLayerError } from '../errors/port-layer-error.js';

/** A request as it came: its message, or why it is refused. grpc-js calls the deserializer outside of any handler, so it must not throw. */
export type Decoded<T> = { readonly message: T } | { readonly problem: PortLayerError };

/** The wire type of text, bytes, messages and packed lists. Source: protobuf.dev/programming-guides/encoding. */
const LENGTH_DELIMITED = 2;
/** Nesting beyond this is refused; the deepest legal request, a Struct in a spec, is bounded by it. */
const MAX_DEPTH = 64;

/** The declared types, for {@link strictDeserializer}; read once for each server. */
export function loadRequestTypes(): protobuf.Root {
  const root = new protobuf.Root();
  const directory = protoDirectory();
  root.resolvePath = (_origin, target) => (protobuf.common.get(target) ? target : `${directory}${target}`);
  root.loadSync([...PROTO_FILES]).resolveAll();
  return root;
}

/**
 * Wraps a lenient deserializer. Protobuf drops unknown fields silently; a request with one asks for something this
 * service would not do, so it is refused with the message's name and the field's number. So are malformed bytes.
 */
export function strictDeserializer<T>(
  type: protobuf.Type,
  lenient: (bytes: Buffer) => T,
): (bytes: Buffer) => Decoded<T> {
  return bytes => {
    try {
      const unknown: string[] = [];
      walk(type, protobuf.Reader.create(bytes), bytes.length, 0, unknown);
      return unknown.length > 0 ? { problem: unknownFields(unknown) } : { message: lenient(bytes) };
    } catch (caught) {
      return { problem: malformed(type, caught) };
    }
  };
}

/** What the walk needs to know of a field, or of a map entry's key or value. */
interface Shape {
  readonly label: string;
  readonly type: string;
  readonly resolvedType: protobuf.Type | protobuf.Enum | null;
  readonly repeated: boolean;
}

function walk(
  type: protobuf.Type,
  reader: protobuf.Reader,
  end: number,
  depth: number,
  unknown: string[],
): void {
  if (depth > MAX_DEPTH) throw new Error(`nested more than ${MAX_DEPTH} deep`);
  const label = type.fullName.slice(1);
  walkFields(label, number => fieldShape(type.fieldsById[number]), reader, end, depth, unknown);
}

function walkFields(
  label: string,
  shapeOf: (number: number) => Shape | protobuf.MapField | undefined,
  reader: protobuf.Reader,
  end: number,
  depth: number,
  unknown: string[],
): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const [number, wireType] = [tag >>> 3, tag & 7];
    if (number === 0) throw new Error(`field number 0 in ${label}`);
    const shape = shapeOf(number);
    if (!shape) {
      unknown.push(`field ${number} of ${label}`);
      reader.skipType(wireType);
    } else if (shape instanceof protobuf.MapField) {
      walkEntry(shape, reader, wireType, depth, unknown);
    } else {
      walkValue(shape, reader, wireType, depth, unknown);
    }
  }
  if (reader.pos !== end) throw new Error(`a field of ${label} runs over its end`);
}

function walkValue(
  shape: Shape,
  reader: protobuf.Reader,
  wireType: number,
  depth: number,
  unknown: string[],
): void {
  const { label, resolvedType } = shape;
  const expected = declaredWireType(shape);
  const packed = shape.repeated && expected !== LENGTH_DELIMITED && wireType === LENGTH_DELIMITED;
  if (wireType !== expected && !packed)
    throw new Error(`${label} has wire type ${wireType} instead of ${expected}`);
  if (wireType !== LENGTH_DELIMITED) {
    reader.skipType(wireType);
    return;
  }
  const end = endOf(label, reader);
  if (resolvedType instanceof protobuf.Type) walk(resolvedType, reader, end, depth + 1, unknown);
  else if (packed) walkPacked(label, expected, reader, end);
  else if (shape.type === 'string' && !isUtf8(reader.buf.subarray(reader.pos, end)))
    throw new Error(`${label} is not UTF-8`);
  reader.pos = end;
}

/** A map's entry is a message of two fields: key 1 and value 2. */
function walkEntry(
  map: protobuf.MapField,
  reader: protobuf.Reader,
  wireType: number,
  depth: number,
  unknown: string[],
): void {
  const label = map.fullName.slice(1);
  if (wireType !== LENGTH_DELIMITED)
    throw new Error(`${label} has wire type ${wireType} instead of ${LENGTH_DELIMITED}`);
  const key: Shape = { label: `a key of ${label}`, type: map.keyType, resolvedType: null, repeated: false };
  const value: Shape = {
    label: `a value of ${label}`,
    type: map.type,
    resolvedType: map.resolvedType,
    repeated: false,
  };
  const shapes = [undefined, key, value];
  walkFields(
    `an entry of ${label}`,
    number => shapes[number],
    reader,
    endOf(label, reader),
    depth + 1,
    unknown,
  );
}

function walkPacked(label: string, wireType: number, reader: protobuf.Reader, end: number): void {
  while (reader.pos < end) reader.skipType(wireType);
  if (reader.pos !== end) throw new Error(`${label} runs over its end`);
}

function endOf(label: string, reader: protobuf.Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new Error(`${label} is cut short`);
  return end;
}

function fieldShape(field: protobuf.Field | undefined): Shape | protobuf.MapField | undefined {
  if (!field || field instanceof protobuf.MapField) return field;
  const { type, resolvedType, repeated } = field;
  return { label: field.fullName.slice(1), type, resolvedType, repeated };
}

const wireTypes: Readonly<Record<string, number>> = protobuf.types.basic;

function declaredWireType(shape: Shape): number {
  if (shape.resolvedType instanceof protobuf.Enum) return 0;
  return shape.resolvedType ? LENGTH_DELIMITED : (wireTypes[shape.type] ?? LENGTH_DELIMITED);
}

function unknownFields(unknown: readonly string[]): PortLayerError {
  const shown = unknown.slice(0, 5).join(', ');
  return new PortLayerError(
    'INVALID_SPEC',
    `The request has a field that this service does not know: ${shown}.`,
    {
      required: 'only fields that this service knows',
      found: unknown.length > 5 ? `${shown}, and ${unknown.length - 5} more` : shown,
      remedy:
        'Use a client of the same version; this one may be newer than the service. What it asked for was not done.',
      facts: { field: unknown[0] ?? '' },
    },
  );
}

function malformed(type: protobuf.Type, caught: unknown): PortLayerError {
  return new PortLayerError('INVALID_SPEC', `The request is not a well-formed ${type.fullName.slice(1)}.`, {
    required: `the protobuf encoding of ${type.fullName.slice(1)}`,
    found: caught instanceof Error ? caught.message.slice(0, 200) : 'malformed bytes',
    remedy: 'Make the request with a protobuf library and the .proto files of this service.',
    facts: { field: type.name },
  });
}
