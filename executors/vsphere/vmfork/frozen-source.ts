import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { encodeDown, parseDown } from '../guest/values.js';
import { newSelf, uuidOf } from '../identity.js';
import { extraConfig, type Machine } from '../machines.js';
import { GUEST_KEYS, imageName, KEYS, machineName } from '../names.js';
import type { Attempt } from './checkpoint.js';
import { waitFrozen } from './frozen.js';
import { instantClone, logOf } from './instant-clone.js';

/**
 * The container's own machine freezes itself, and is the image from then on; it never runs again. The container goes on
 * in a clone of it, which is told that it is the original. Nothing is added to any chain of deltas, however many clones.
 */
export async function takeFrozen(attempt: Attempt): Promise<Machine> {
  const { containers, container, client, source, gate, into, signal, stopAfter } = attempt;
  const { machines } = containers;
  const { uid } = container;
  const { crid } = into;
  await gate('dumping');
  client.order('FORK');
  await waitFrozen(machines, source.ref, machines.config.freezeMs, signal);
  // From here on it cannot run on where it is: what follows is finished whether or not the caller still wants it.
  const bound = AbortSignal.timeout(machines.config.taskMs);
  // Meanwhile the container has no machine: whoever asks for it waits.
  return containers.moving(uid, async () => {
    await machines.reconfigure(
      source.ref,
      () => ({ name: imageName(crid), ...extraConfig({ [KEYS.uid]: '', [KEYS.image]: crid }) }),
      bound,
    );
    const image = await machines.read(source.ref, bound);
    if (!image) throw gone(uid);
    if (stopAfter) containers.forget(uid);
    else await goOn(attempt, image, bound);
    await gate('thawed');
    return image;
  });
}

/** The clone in which the container goes on. */
async function goOn(
  { containers, container, turns }: Attempt,
  image: Machine,
  bound: AbortSignal,
): Promise<void> {
  const { machines } = containers;
  const { uid } = container;
  const before = parseDown(image.extra[GUEST_KEYS.down]);
  const { boot = '', acknowledged = 0, last = 0, orders = [] } = before ?? {};
  // The order to fork is the last that was carried out; a guest that reads it again must not do so again.
  const down = encodeDown({ self: newSelf(uid), role: 'original', boot, acknowledged, last, orders });
  await instantClone(
    machines,
    turns,
    {
      source: image.ref,
      name: machineName(uid),
      key: KEYS.uid,
      id: uid,
      biosUuid: uuidOf(uid),
      log: await logOf(machines, uid, bound),
      config: { [KEYS.uid]: uid, [KEYS.image]: '', [GUEST_KEYS.down]: down },
    },
    bound,
  );
}

function gone(uid: string): PortLayerError {
  return new PortLayerError('EXECUTOR_UNAVAILABLE', 'The frozen machine is gone.', {
    remedy: 'See the events of the vCenter.',
    facts: { uid },
  });
}
