import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** The files that declare the services, as their own imports name them. */
export const PROTO_FILES = [
  'portlayer/execution/v1/execution.proto',
  'portlayer/execution/v1/levels.proto',
] as const;

/**
 * The directory of the shipped `.proto` files: this file's own when it runs from source,
 * two directories up and down again when it runs from `dist/proto/`.
 */
export function protoDirectory(): string {
  const here = fileURLToPath(new URL('.', import.meta.url));
  return existsSync(`${here}${PROTO_FILES[0]}`)
    ? here
    : fileURLToPath(new URL('../../proto/', import.meta.url));
}

/**
 * The Execution API as grpc-js takes it.
 *
 * - `defaults: false`: an absent field stays absent, so that presence of `optional` ones survives.
 * - `longs: Number`: every 64-bit value here is a count, a size or a time; the API refuses those above 2^53 - 1.
 * - `enums: String`; a number that the enum does not have stays a number, which the API refuses.
 * - `arrays` and `objects`: lists and maps are always there. `oneofs` off: the set member says which it is.
 *
 * The `generate` script makes `proto/types` with the same choices.
 */
export function loadExecutionPackage(): PackageDefinition {
  return loadSync([...PROTO_FILES], {
    includeDirs: [protoDirectory()],
    longs: Number,
    enums: String,
    defaults: false,
    arrays: true,
    objects: true,
    oneofs: false,
  });
}
