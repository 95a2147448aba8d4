import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { CheckpointWriter } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import type { Place } from '../place.js';
import { endHelpers } from './end-helpers.js';
import { workOf } from './image.js';
import { tasksOf } from './tasks.js';
import { unlockNetwork } from './unlock-network.js';

const defaultQuiesceMs = 10_000;
const pollMs = 2;

/** The freezer's state around one dump, written down before it is touched: a service that is killed puts it back at its next start. */
export interface Pause {
  /** Puts the freezer back as it was. Idempotent. */
  end(): Promise<void>;
}

/** Notes whether the container is frozen now. */
export async function pauseOf(
  place: Place,
  containers: Containers,
  uid: string,
  into: CheckpointWriter,
): Promise<Pause> {
  const frozen = await containers.group(uid).frozen();
  const note = JSON.stringify({ frozen, work: workOf(into.directory) });
  // Of no use once the host has stopped: then nothing of the container is left to be thawed.
  await place.host.files.writeAtomic(containers.paths(uid).dumping, note, 0o600, { durable: false });
  return { end: () => endPause(place, containers, uid, frozen) };
}

/** After a service was killed in a dump: the freezer as it had been. No effect where no dump was under way. */
export async function recoverPause(place: Place, containers: Containers, uid: string): Promise<void> {
  const text = await place.host.files.read(containers.paths(uid).dumping).then(String, () => '');
  if (text === '') return;
  const { frozen, work } = JSON.parse(text) as { frozen?: boolean; work?: string };
  if (work !== undefined) await endHelpers(place.host, work);
  await unlockNetwork(place, containers.paths(uid));
  await endPause(place, containers, uid, frozen === true);
}

async function endPause(place: Place, containers: Containers, uid: string, frozen: boolean): Promise<void> {
  const group = containers.group(uid);
  if (frozen) await group.freeze();
  else await group.thaw();
  await place.host.files.remove(containers.paths(uid).dumping);
}

/** What the script that freezes is told by. Pure. */
export function freezeEnvironment(
  place: Place,
  uid: string,
  into: CheckpointWriter,
): Readonly<Record<string, string>> {
  return {
    PORTLAYER_FREEZER: `${place.cgroups.places.get('freezer')?.base}/${uid}`,
    PORTLAYER_MARK: markOf(into),
    PORTLAYER_QUIESCE_MS: String(place.config.quiesceMs ?? defaultQuiesceMs),
  };
}

/**
 * Resolves with true when CRIU's script has frozen the container, with false when the dump ended before. Throws QUIESCE_TIMEOUT naming each process that would not stop.
 */
export async function untilFrozen(
  place: Place,
  uid: string,
  into: CheckpointWriter,
  dumping: Promise<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  const { files } = place.host;
  const began = Date.now();
  let ended = false;
  const end = () => {
    ended = true;
  };
  dumping.then(end, end);
  while (!(await files.exists(markOf(into)))) {
    signal.throwIfAborted();
    if (ended) {
      await dumping; // Rejects where it was ended.
      if (await files.exists(markOf(into))) return true;
      const inTime = Date.now() - began < (place.config.quiesceMs ?? defaultQuiesceMs);
      // A script may also fail because runc was killed.
      if (!inTime && (await wasFreezing(place, into))) throw await stuck(place, uid, into);
      return false;
    }
    await sleep(pollMs);
  }
  return true;
}

const markOf = (into: CheckpointWriter): string => `${workOf(into.directory)}/frozen`;

/** True where CRIU ended because its script did. */
async function wasFreezing(place: Place, into: CheckpointWriter): Promise<boolean> {
  const log = await place.host.files.read(`${workOf(into.directory)}/dump.log`).then(String, () => '');
  return /script.*failed|Pre dump script failed/i.test(log);
}

/** Who was in the way, as loaders/init/freezer.c wrote it down. */
async function stuck(place: Place, uid: string, into: CheckpointWriter): Promise<PortLayerError> {
  const ms = place.config.quiesceMs ?? defaultQuiesceMs;
  const text = await place.host.files.read(`${markOf(into)}.blockers`).then(String, () => '');
  const tasks = await tasksOf(place, uid);
  const blockers = text.split('\n').flatMap(line => {
    const [, tid, what = ''] = /^(\d+) (vfork|wait .*)$/.exec(line) ?? [];
    if (tid === undefined) return [];
    const name = tasks.find(task => task.pid === Number(tid))?.name ?? 'a thread';
    const words =
      what === 'vfork' ? 'waits for a child that has executed no program yet' : `does not stop: ${what}`;
    return [{ tid, words: `${name} (pid ${tid}) ${words}, since ${ms} ms` }];
  });
  return new PortLayerError('QUIESCE_TIMEOUT', `The container could not be frozen within ${ms} ms.`, {
    required: 'every process stops',
    found:
      blockers
        .map(blocker => blocker.words)
        .join('; ')
        .slice(0, 500) || 'the freezer did not say FROZEN',
    remedy: 'Wait until these processes have done what they are at, and ask again. The container runs on.',
    facts: { pids: blockers.map(blocker => blocker.tid).join(',') },
  });
}
