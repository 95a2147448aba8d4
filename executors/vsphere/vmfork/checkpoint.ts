import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { CheckpointWriter, DumpFacts, PhaseGate, Running } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { killMachine } from '../ending.js';
import type { MachineClient } from '../guest/machine-client.js';
import { firstDown } from '../guest/values.js';
import { newSelf, uuidOf } from '../identity.js';
import type { Machine } from '../machines.js';
import { GUEST_KEYS, imageName, KEYS } from '../names.js';
import { chainLength, checkChain } from './chain.js';
import { waitFrozen } from './frozen.js';
import { takeFrozen } from './frozen-source.js';
import { writeImageFacts } from './image.js';
import { type CloneRequest, checkClone, instantClone } from './instant-clone.js';
import type { Turns } from './turns.js';

/** What checkpoints and restores work with. */
export interface VmforkParts {
  readonly containers: Containers;
  readonly turns: Turns;
}

/** One checkpoint under way. */
export interface Attempt extends VmforkParts {
  readonly container: Running;
  readonly into: CheckpointWriter;
  readonly gate: PhaseGate;
  readonly client: MachineClient;
  readonly source: Machine;
  readonly stopAfter: boolean;
  readonly signal: AbortSignal;
}

/**
 * Makes a machine that stands still, and is the image: a clone of the running container, which freezes itself as soon as
 * it finds out what it is, or the container's own machine. On failure there is no such machine, and the container runs on.
 */
export async function takeImage(
  parts: VmforkParts,
  container: Running,
  into: CheckpointWriter,
  gate: PhaseGate,
  { stopAfter }: { readonly stopAfter: boolean },
  signal: AbortSignal,
): Promise<DumpFacts> {
  const { containers } = parts;
  const { machines } = containers;
  const { uid, layers } = container;
  const source = await containers.known(uid, signal);
  if (source.power !== 'poweredOn') throw notRunning(source);
  const client = containers.client(uid);
  await client.started(signal);
  const attempt: Attempt = { ...parts, container, into, gate, client, source, stopAfter, signal };
  await gate('quiescing');
  await checkClone(machines, imageRequest(attempt), signal);
  const began = performance.now();
  const mode = machines.config.source;
  const image = mode === 'frozen' ? await takeFrozen(attempt) : await takeRunning(attempt);
  const pauseMs = performance.now() - began;
  await writeImageFacts(into.directory, {
    version: 1,
    crid: into.crid,
    instanceUuid: image.instanceUuid,
    source: mode,
    pauseMs,
  });
  if (stopAfter && mode === 'running') await killMachine(containers, uid);
  return { layers, running: !stopAfter };
}

/** The task is held while the clone is made, so that both stand at the same point; the clone freezes itself. */
async function takeRunning(attempt: Attempt): Promise<Machine> {
  const { containers, client, source, gate, into, signal, turns } = attempt;
  const { machines, log } = containers;
  const { freezeMs } = machines.config;
  checkChain(await chainLength(machines, source.ref, signal), attempt.container.uid, log);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(freezeMs)]);
  let image: Machine | undefined;
  const held = client.order('HOLD');
  try {
    await client.done(held, limit).catch(caught => {
      throw signal.aborted ? caught : silent('to hold its task', freezeMs);
    });
    await gate('dumping');
    image = await instantClone(machines, turns, imageRequest(attempt), signal);
    client.order('RELEASE');
    await gate('thawed');
    await waitFrozen(machines, image.ref, freezeMs, signal);
    return image;
  } catch (caught) {
    client.order('RELEASE');
    const half =
      image ??
      (await machines
        .find(imageName(into.crid), KEYS.image, into.crid, bound(attempt))
        .catch(() => undefined));
    if (half)
      await machines
        .destroy(half, bound(attempt))
        .catch(later => log(`image ${into.crid} is left: ${String(later)}`));
    throw caught;
  }
}

/** The clone that becomes the image. */
function imageRequest({ source, into }: Attempt): CloneRequest {
  const { crid } = into;
  const down = firstDown(newSelf(crid), 'image');
  return {
    source: source.ref,
    name: imageName(crid),
    key: KEYS.image,
    id: crid,
    biosUuid: uuidOf(crid),
    config: { [KEYS.uid]: '', [KEYS.image]: crid, [GUEST_KEYS.down]: down },
  };
}

function bound({ containers }: Attempt): AbortSignal {
  return AbortSignal.timeout(containers.machines.config.taskMs);
}

/** The error for a guest that does not do in time what it was asked. */
export function silent(what: string, ms: number): PortLayerError {
  return new PortLayerError('QUIESCE_TIMEOUT', `The guest did not answer when it was asked ${what}.`, {
    required: `an answer within ${ms} ms`,
    found: 'none',
    remedy: 'See that "portlayer-init guest" runs in it, and ask again. The container runs on.',
  });
}

function notRunning(source: Machine): PortLayerError {
  return new PortLayerError('WRONG_STATE', 'Only a virtual machine that runs can be cloned.', {
    required: 'poweredOn',
    found: source.power,
    remedy: 'Let it run first: portlayer unpause NAME, or portlayer start NAME',
    facts: { fault: 'InvalidPowerState' },
  });
}
