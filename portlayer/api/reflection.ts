import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { PROTO_FILES, protoDirectory } from '../../proto/load.js';

/**
 * The declared types as reflection serves them. proto-loader's own descriptors cannot be linked by protoc's rules: they
 * lack the dependencies between files, map entries have no `Entry` in their names, and type names are relative.
 * An `optional` field comes as the only member of a oneof, which is the same on the wire and in JSON.
 */
export function reflectionPackage(): PackageDefinition {
  const loaded = loadSync([...PROTO_FILES], { includeDirs: [protoDirectory()], keepCase: true });
  const any = Object.values(loaded).find(isMessage);
  if (!any) return {};
  const files = any.fileDescriptorProtos.map(
    bytes => descriptor.FileDescriptorProto.decode(bytes) as IFileDescriptorProto,
  );
  const wellKnown = files.filter(isWellKnown).map(file => file.name ?? '');
  const fileDescriptorProtos = files.map(file => {
    for (const message of file.messageType ?? []) qualify(file.package ?? '', message);
    if (!isWellKnown(file)) file.dependency = wellKnown;
    return Buffer.from(descriptor.FileDescriptorProto.encode(file).finish());
  });
  return { all: { ...any, fileDescriptorProtos } };
}

function qualify(scope: string, message: IDescriptorProto): void {
  const path = `${scope}.${message.name}`;
  const entries = new Set((message.nestedType ?? []).map(nested => nested.name));
  for (const field of message.field ?? []) {
    if (!field.typeName) continue;
    if (entries.has(field.typeName)) field.typeName = `.${path}.${field.typeName}Entry`;
    else field.typeName = field.typeName.includes('.') ? `.${field.typeName}` : `.${scope}.${field.typeName}`;
  }
  for (const nested of message.nestedType ?? []) {
    // A value's type is declared beside the map's message, not inside it.
    qualify(scope, nested);
    nested.name = `${nested.name}Entry`;
  }
}

function isWellKnown(file: IFileDescriptorProto): boolean {
  return file.package === 'google.protobuf';
}

function isMessage(
  definition: PackageDefinition[string],
): definition is MessageTypeDefinition<object, object> {
  return Array.isArray(definition.fileDescriptorProtos);
}
