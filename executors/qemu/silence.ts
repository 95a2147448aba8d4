import type { Finding } from '../../portlayer/model/capability.js';
import type { Containers } from './containers.js';
import type { Place } from './place.js';
import { isSilence, type Qmp, withQmp } from './qmp/qmp-client.js';

/** How long a QEMU that did not answer is given when it is asked again, in milliseconds. */
const AGAIN_MS = 1000;

/** As {@link withQmp}, with the QEMU of a container; one that does not answer in time is remembered, and the executor is degraded until it does. */
export async function askMachine<T>(
  place: Place,
  containers: Containers,
  uid: string,
  work: (qmp: Qmp) => Promise<T>,
  options: { readonly signal?: AbortSignal; readonly ms?: number } = {},
): Promise<T> {
  try {
    const answer = await withQmp(place.host, containers.paths(uid).qmp, work, options);
    place.silent.delete(uid);
    return answer;
  } catch (caught) {
    if (isSilence(caught)) place.silent.add(uid);
    throw caught;
  }
}

/** Asks those again that did not answer; undefined where all do, or have ended. */
export async function findSilent(place: Place, containers: Containers): Promise<Finding | undefined> {
  for (const uid of [...place.silent]) {
    const over = containers.client(uid).isOver() || !(await containers.exists(uid));
    if (over) place.silent.delete(uid);
    else
      await askMachine(place, containers, uid, qmp => qmp.execute('query-status'), { ms: AGAIN_MS }).catch(
        () => {},
      );
  }
  if (place.silent.size === 0) return undefined;
  return {
    key: 'silent',
    value: [...place.silent].join(','),
    reason: 'the QEMU of these containers does not answer on its monitor socket',
    remedy: 'portlayer stop NAME, then portlayer start NAME',
  };
}
