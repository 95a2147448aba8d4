import { randomBytes } from 'node:crypto';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { Handle } from '../../../portlayer/model/container-record.js';
import type { StartRequest } from '../../../portlayer/plugin/executor.js';
import type { CheckpointReader } from '../../../portlayer/plugin/mechanism.js';
import { encodePairs } from '../guest/pairs.js';
import { firstDown } from '../guest/values.js';
import { makeHandle } from '../handle.js';
import { identityOf, newSelf, uuidOf } from '../identity.js';
import { GUEST_KEYS, KEYS, machineName } from '../names.js';
import { makeLogDirectory } from '../serial-port.js';
import type { VmforkParts } from './checkpoint.js';
import { needImage } from './image.js';
import { instantClone, logOf } from './instant-clone.js';

/**
 * Starts one copy of an image: an Instant Clone of the frozen machine, which wakes up, learns who it is, and has said so
 * when this resolves. On failure, or beyond the time limit, nothing of it is left.
 */
export async function restoreCopy(
  parts: VmforkParts,
  from: CheckpointReader,
  request: StartRequest,
  signal: AbortSignal,
): Promise<Handle> {
  const { containers, turns } = parts;
  const { machines } = containers;
  const { uid, spec } = request;
  const { crid } = from.record;
  const image = await needImage(machines, crid, from.directory, signal);
  const left = await containers.find(uid, signal);
  containers.forget(uid);
  if (left) await machines.destroy(left, signal);
  await makeLogDirectory(machines, signal);
  const { hostname, machineId } = identityOf(uid, spec);
  const generation = randomBytes(16).toString('hex');
  const seed = randomBytes(32).toString('hex');
  const identity = encodePairs('', { crid, gen: generation, seed, hostname, 'machine-id': machineId }).trim();
  const down = firstDown(newSelf(uid), 'container');
  const limit = AbortSignal.timeout(machines.config.restoreMs);
  try {
    const machine = await instantClone(
      machines,
      turns,
      {
        source: image.ref,
        name: machineName(uid),
        key: KEYS.uid,
        id: uid,
        biosUuid: uuidOf(uid),
        log: await logOf(machines, uid, signal),
        config: {
          [KEYS.uid]: uid,
          [KEYS.image]: '',
          [GUEST_KEYS.identity]: identity,
          [GUEST_KEYS.down]: down,
        },
      },
      AbortSignal.any([signal, limit]),
    );
    const ready = await containers.client(uid).ready(generation, AbortSignal.any([signal, limit]));
    if (ready.includes(' missed=')) throw notIntroduced(`generation ${generation}, in full`, ready);
    return makeHandle(uid, machine.instanceUuid);
  } catch (caught) {
    await removeHalf(parts, uid);
    if (limit.aborted && !signal.aborted)
      throw notIntroduced(`its word within ${machines.config.restoreMs} ms`, 'none');
    throw caught;
  }
}

/** A copy that failed is removed; where that is impossible now, it is an orphan that the next start of the service lists. */
async function removeHalf({ containers }: VmforkParts, uid: string): Promise<void> {
  const { machines, log } = containers;
  containers.forget(uid);
  const bound = AbortSignal.timeout(machines.config.taskMs);
  try {
    const half = await containers.find(uid, bound);
    if (half) await machines.destroy(half, bound);
  } catch (caught) {
    log(`the copy ${machineName(uid)} could not be removed: ${PortLayerError.from(caught).message}`);
  }
}

function notIntroduced(required: string, found: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The copy did not take its new identity.', {
    required,
    found: found.slice(0, 300),
    remedy: 'Restore it again. The copy was removed.',
  });
}
