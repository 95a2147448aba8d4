import { isErrno, PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import type { NeededFile } from './needed-files.js';

/** What a dump's directory says of itself, in `portlayer.json`. */
export interface ImageFacts {
  readonly version: 1;
  /** The init's incarnation in the image: a copy is spoken to by it. */
  readonly incarnation: string;
  /** The directory name of the init's build that runs in the image. */
  readonly bin: string;
  /** IPv4 address and prefix, where the container had one of its own. */
  readonly address?: string;
  /** Files of volumes and rootfs that the restored tasks will have open or mapped. */
  readonly needed?: readonly NeededFile[];
  /** Processes that were not kept, as `pid name`. */
  readonly notKept: readonly string[];
  /** CRIU's files with their sizes in bytes and times of change. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly changed: string }>>;
}

/** CRIU's files of a dump. */
export const imageOf = (directory: string): string => `${directory}/image`;
/** CRIU's log and figures of a dump; the path is also what its processes are known by. */
export const workOf = (directory: string): string => `${directory}/work`;
const factsOf = (directory: string): string => `${directory}/portlayer.json`;

/** Names every file of a finished dump, with what the mechanism needs to restore it. */
export async function writeImageFacts(
  host: Host,
  directory: string,
  facts: Omit<ImageFacts, 'version' | 'files'>,
): Promise<void> {
  const files = await listFiles(host, directory);
  const text = JSON.stringify({ version: 1, ...facts, files });
  // As durable as the files it names: a sync here would wait for all that the dump has just written.
  await host.files.writeAtomic(factsOf(directory), text, 0o600, { durable: false });
}

/**
 * Compares each file's size and time of change with a dump's facts: no content is read, so that the check costs
 * nothing beside a restore. Throws CHECKPOINT_CORRUPT naming each file that is gone or was changed.
 */
export async function checkImage(host: Host, directory: string, facts: ImageFacts): Promise<void> {
  const there = await listFiles(host, directory);
  const wrong = Object.entries(facts.files).flatMap(([name, wanted]) => {
    const found = there[name];
    if (found === undefined) return [`${name} is gone`];
    if (found.bytes !== wanted.bytes) return [`${name} has ${found.bytes} bytes instead of ${wanted.bytes}`];
    // A file that was read back from the image store has its time to the microsecond.
    const apart = Math.abs(Number(found.changed) - Number(wanted.changed));
    return apart < 0.00001 ? [] : [`${name} was written to`];
  });
  if (wrong.length === 0) return;
  throw corrupt(`${Object.keys(facts.files).length} files as they were dumped`, wrong.join('; '));
}

/** What a dump says of itself. Throws CHECKPOINT_CORRUPT where that is gone or of another form. */
export async function readImageFacts(host: Host, directory: string): Promise<ImageFacts> {
  try {
    const facts = JSON.parse(String(await host.files.read(factsOf(directory)))) as Partial<ImageFacts>;
    if (
      facts.version === 1 &&
      facts.files &&
      /^[0-9a-f]{16}$/.test(facts.incarnation ?? '') &&
      /^[0-9a-f]{16}$/.test(facts.bin ?? '')
    )
      return facts as ImageFacts;
    throw corrupt('portlayer.json of version 1', 'another form');
  } catch (caught) {
    if (caught instanceof SyntaxError) throw corrupt('portlayer.json', 'no JSON');
    if (isErrno(caught) && caught.code === 'ENOENT') throw corrupt('portlayer.json', 'it is gone');
    throw caught;
  }
}

/** One command for all: an image may hold some hundred files. */
async function listFiles(host: Host, directory: string): Promise<ImageFacts['files']> {
  const done = await host.run(['find', imageOf(directory), '-type', 'f', '-printf', '%s %T@ %P\\0']);
  const files: Record<string, { bytes: number; changed: string }> = {};
  for (const line of done.stdout.split('\0')) {
    const [, bytes, changed = '', name] = /^(\d+) ([\d.]+) (.+)$/s.exec(line) ?? [];
    if (name !== undefined) files[name] = { bytes: Number(bytes), changed };
  }
  return files;
}

function corrupt(required: string, found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not as it was dumped.', {
    required,
    found: found.slice(0, 1000),
    remedy: 'Restore another checkpoint, or take a new one. Nothing was started.',
  });
}
