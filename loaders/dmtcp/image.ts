import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Host } from '../../portlayer/plugin/host.js';
import type { ImageFile } from './drain-images.js';
import type { UnchangedImages } from './unchanged-images.js';

/** What a dump's directory says of itself, in `portlayer.json`. */
export interface ImageFacts {
  readonly version: 1;
  /** The build of DMTCP that made it. */
  readonly build: string;
  readonly files: readonly ImageFile[];
  /** The pids, as the task sees them, of those who waited for an answer by signal. */
  readonly askers: readonly number[];
}

/** The directory of DMTCP's images in a dump. */
export const imagesOf = (directory: string): string => `${directory}/image`;
const factsOf = (directory: string): string => `${directory}/portlayer.json`;

/** Names every image of a finished dump with its size and its checksum, and what a restore needs besides. The commit makes it durable. */
export function writeImageFacts(
  host: Host,
  directory: string,
  facts: Omit<ImageFacts, 'version'>,
): Promise<void> {
  return host.files.writeAtomic(factsOf(directory), JSON.stringify({ version: 1, ...facts }), 0o600, {
    durable: false,
  });
}

/** What a dump says of itself. Throws CHECKPOINT_CORRUPT where that is gone or of another form. */
export async function readImageFacts(host: Host, directory: string): Promise<ImageFacts> {
  const text = await host.files.read(factsOf(directory)).then(String, () => undefined);
  if (text === undefined) throw corrupt('portlayer.json', 'it is gone');
  try {
    const facts = JSON.parse(text) as Partial<ImageFacts>;
    const names = facts.files?.every(
      file => /^ckpt_[^/\0]+\.dmtcp$/.test(file.name) && /^[0-9a-f]{16}$/.test(file.sum),
    );
    if (facts.version === 1 && facts.files?.length && names && Array.isArray(facts.askers))
      return facts as ImageFacts;
  } catch {
    throw corrupt('portlayer.json', 'no JSON');
  }
  throw corrupt('portlayer.json of version 1', 'another form');
}

/** Compares every image with what was written; what is in `unchanged` need not be read. Throws CHECKPOINT_CORRUPT naming each that differs. */
export async function checkImages(
  host: Host,
  directory: string,
  facts: ImageFacts,
  unchanged: UnchangedImages,
  signal: AbortSignal,
): Promise<void> {
  const paths = facts.files.map(({ name }) => `${imagesOf(directory)}/${name}`);
  const known = unchanged.stampsOf(facts.files).flatMap(stamp => ['--known', stamp]);
  const done = await host.run([host.initBinary, 'digest', ...known, ...paths], { signal });
  const found = new Map(
    done.stdout.split('\n').flatMap(line => {
      const [, said = '', bytes, stamp = '', name = ''] =
        /^([0-9a-f]{16}|known) (\d+) (\S+) .*\/([^/]+)$/.exec(line) ?? [];
      const sum = said === 'known' ? unchanged.sumOf(stamp) : said;
      return name === '' || sum === undefined
        ? []
        : [[name, { name, sum, bytes: Number(bytes), stamp }] as const];
    }),
  );
  unchanged.remember([...found.values()]);
  const wrong = facts.files.flatMap(({ name, sum, bytes }) => {
    const there = found.get(name);
    if (there === undefined) return [`${name} is gone`];
    if (there.bytes !== bytes) return [`${name} has ${there.bytes} bytes instead of ${bytes}`];
    return there.sum === sum ? [] : [`${name} has another content`];
  });
  if (wrong.length > 0) throw corrupt(`${facts.files.length} images as they were written`, wrong.join('; '));
}

function corrupt(required: string, found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not as it was written.', {
    required,
    found: found.slice(0, 1000),
    remedy: 'Restore another checkpoint, or take a new one. Nothing was started.',
  });
}
