import { isErrno, PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import type { Host } from '../../../portlayer/plugin/host.js';
import { cpuCount, devicesOf, memoryMiB, optionsOf } from '../options.js';
import type { Way } from './dump.js';

/** What a machine looks like to its guest: a copy must look the same. */
export interface MachineShape {
  readonly machine: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly network: string;
  /** QEMU's names of its devices, in the order of its command line. */
  readonly devices: string;
  readonly diskBytes: number;
}

/** What an image's directory says of itself, in `portlayer.json`. */
export interface ImageFacts {
  readonly version: 1;
  /** The init's incarnation in the image: a copy is spoken to by it. */
  readonly incarnation: string;
  readonly shape: MachineShape;
  /** How long the machine stood still, in milliseconds, as QEMU told it. */
  readonly pauseMs: number;
  readonly how: Way;
  /** Sizes in bytes of the memory file and of the device state. */
  readonly ramBytes: number;
  readonly stateBytes: number;
}

/** The guest's memory, raw: byte N of it is byte N of the file. */
export const ramOf = (directory: string): string => `${directory}/ram`;
/** QEMU's stream without the memory. */
export const stateOf = (directory: string): string => `${directory}/state`;
const factsOf = (directory: string): string => `${directory}/portlayer.json`;

/** The shape of a machine of this spec. Pure. */
export function shapeOf(spec: ContainerSpec): MachineShape {
  const { machine, cpu, diskBytes } = optionsOf(spec);
  const devices = devicesOf(spec).join(',');
  const [cpus, memory] = [cpuCount(spec), memoryMiB(spec)];
  return { machine, cpu, cpus, memoryMiB: memory, network: spec.network, devices, diskBytes };
}

/** Notes what the image is. Written last: an image without it is none. */
export async function writeImageFacts(
  host: Host,
  directory: string,
  facts: Omit<ImageFacts, 'version' | 'ramBytes' | 'stateBytes'>,
): Promise<void> {
  const [ramBytes, stateBytes] = await Promise.all(
    [ramOf(directory), stateOf(directory)].map(path => host.files.size(path)),
  );
  const text = JSON.stringify({ version: 1, ...facts, ramBytes, stateBytes });
  // What is committed is synced with all else: a sync here would wait for the memory beside it, 200 ms for a gigabyte.
  await host.files.writeAtomic(factsOf(directory), text, 0o600, { durable: false });
}

/** Reads an image's facts and compares the files' sizes with them. Throws CHECKPOINT_CORRUPT. */
export async function checkImage(host: Host, directory: string): Promise<ImageFacts> {
  const facts = await readFacts(host, directory);
  const expected = [
    [ramOf(directory), facts.ramBytes],
    [stateOf(directory), facts.stateBytes],
  ] as const;
  for (const [path, bytes] of expected) {
    const found = await host.files.size(path).catch(() => undefined);
    if (found !== bytes)
      throw corrupt(`${path} with ${bytes} bytes`, found === undefined ? 'it is gone' : `${found} bytes`);
  }
  return facts;
}

/** Throws CONSTRAINT_UNMET for a copy that would look otherwise to its guest than the image's machine did. */
export function requireSameShape(facts: ImageFacts, spec: ContainerSpec): void {
  const [was, is] = [facts.shape, shapeOf(spec)];
  for (const key of Object.keys(was) as (keyof MachineShape)[]) {
    if (was[key] === is[key]) continue;
    throw new PortLayerError('CONSTRAINT_UNMET', 'The machine of the image cannot be changed.', {
      required: `${key} ${was[key]}`,
      found: String(is[key]),
      remedy: 'Restore it with the spec it was checkpointed with. Nothing was started.',
      facts: { level: 'executor', key },
    });
  }
}

async function readFacts(host: Host, directory: string): Promise<ImageFacts> {
  try {
    const facts = JSON.parse(String(await host.files.read(factsOf(directory)))) as Partial<ImageFacts>;
    if (facts.version === 1 && facts.shape && /^[0-9a-f]{16}$/.test(facts.incarnation ?? ''))
      return facts as ImageFacts;
    throw corrupt('portlayer.json of version 1', 'another form');
  } catch (caught) {
    if (caught instanceof SyntaxError) throw corrupt('portlayer.json', 'no JSON');
    if (isErrno(caught) && caught.code === 'ENOENT') throw corrupt('portlayer.json', 'it is gone');
    throw caught;
  }
}

function corrupt(required: string, found: string): PortLayerError {
  return new PortLayerError('CHECKPOINT_CORRUPT', 'The image is not as it was dumped.', {
    required,
    found: found.slice(0, 500),
    remedy: 'Restore another checkpoint, or take a new one. Nothing was started.',
  });
}
