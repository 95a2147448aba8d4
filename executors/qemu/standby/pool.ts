import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createMonitorClient,
  type MonitorClient,
} from '../../../portlayer/environments/monitor/monitor-client.js';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { CheckpointReader, Standby } from '../../../portlayer/plugin/mechanism.js';
import type { Containers } from '../containers.js';
import { prepareDisk } from '../disk/machine-disk.js';
import { killMachine } from '../ending.js';
import { identityOf } from '../identity.js';
import type { MachinePaths } from '../layout.js';
import { optionsOf } from '../options.js';
import type { Place } from '../place.js';
import { connectNew } from '../qmp/connect-new.js';
import { withQmp } from '../qmp/qmp-client.js';
import { launchMachine } from '../start.js';
import { checkImage, ramOf, requireSameShape, stateOf } from '../vmfork/image.js';
import { settleIn } from './homes.js';

/**
 * Copies that were made ready before anybody asked: QEMU has loaded the image and waits (`-S`), under a monitor of its
 * own. Nobody owns one until it is used; those that nobody used are ended with the service, or at its next start.
 */
export interface StandbyPool extends Standby {
  /**
   * Makes one the container `uid`, which waits then in its directory; false where there is none of this image. `note` is
   * called before: from then on the service may be killed, and the next one finds what is to be done with it.
   */
  take(crid: string, uid: string, note: (paths: MachinePaths) => Promise<void>): Promise<boolean>;
  /** Ends the machine that {@link take} gave, so that another can be begun in its stead. */
  drop(uid: string): Promise<void>;
  /** No standby is begun while somebody waits for a copy. The result says that he has it. */
  hold(): () => void;
  /** Ends all that nobody used. */
  close(): Promise<void>;
}

interface Waiting {
  readonly crid: string;
  readonly paths: MachinePaths;
  readonly client: MonitorClient;
}

/** Between two looks at a QEMU that loads its image, which takes some tens of milliseconds. */
const LOOK_MS = 20;
/** A standby is begun when no copy was asked for during so long. */
const REST_MS = 100;

/** An empty pool. */
export function createStandbyPool(
  place: Place,
  containers: Containers,
  log: (message: string) => void,
): StandbyPool {
  const { host, layout, config } = place;
  const waiting: Waiting[] = [];
  const forgotten = new Set<string>();
  const closing = new AbortController();
  let copying = 0;
  let lastCopyAt = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const count = (crid: string) => waiting.filter(one => one.crid === crid).length;

  async function end({ paths, client }: Pick<Waiting, 'paths' | 'client'>): Promise<void> {
    await killMachine(place, paths, () => client);
    client.close();
    await host.files.remove(paths.directory);
    place.users?.release(paths);
  }

  async function endAll(which: (one: Waiting) => boolean): Promise<void> {
    const doomed = waiting.filter(which);
    for (const one of doomed) waiting.splice(waiting.indexOf(one), 1);
    await Promise.all(doomed.map(end));
  }

  /** One more of an image, loaded and waiting. */
  async function prepare(
    from: CheckpointReader,
    request: Parameters<Standby['fill']>[1],
    signal: AbortSignal,
  ): Promise<Waiting> {
    const { spec } = request;
    const name = randomBytes(10).toString('hex');
    const paths = layout.machine(`${layout.standbys}/${name}`);
    const facts = await checkImage(host, from.directory);
    requireSameShape(facts, spec);
    await host.files.makeDirectory(paths.directory, 0o700);
    await host.files.makeDirectory(paths.vm, 0o700);
    let client: MonitorClient | undefined;
    try {
      const disk = await prepareDisk(place, paths, request, signal);
      const begin = {
        kind: 'copy',
        ram: ramOf(from.directory),
        state: stateOf(from.directory),
        incarnation: facts.incarnation,
        paused: true,
      } as const;
      const accelerator = (await place.accelerator()).name;
      // Its card's address is what the image's was until the guest sets another.
      const identity = identityOf(name, spec);
      await launchMachine(place, { spec, paths, disk, identity, accelerator, begin }, [], signal);
      client = createMonitorClient(host, paths.directory);
      const limit = AbortSignal.any([signal, AbortSignal.timeout(config.restoreMs)]);
      await client.init(limit);
      await loaded(paths, client, limit);
      return { crid: from.record.crid, paths, client };
    } catch (caught) {
      await end({ paths, client: client ?? createMonitorClient(host, paths.directory) });
      throw caught;
    }
  }

  async function loaded(paths: MachinePaths, client: MonitorClient, signal: AbortSignal): Promise<void> {
    const connected = await connectNew(host, paths.qmp, client, signal);
    await withQmp(
      host,
      paths.qmp,
      async qmp => {
        while ((await qmp.execute('query-status')).status === 'inmigrate') await sleep(LOOK_MS);
      },
      { connected, signal, ms: config.restoreMs },
    );
  }

  async function rest(signal: AbortSignal): Promise<void> {
    while (copying > 0 || performance.now() - lastCopyAt < REST_MS)
      await sleep(REST_MS / 2, undefined, { signal });
  }

  async function fill(
    from: CheckpointReader,
    request: Parameters<Standby['fill']>[1],
    signal: AbortSignal,
  ): Promise<void> {
    const { crid } = from.record;
    while (count(crid) < pool.wanted(request.spec) && !forgotten.has(crid)) {
      await rest(signal);
      const one = await prepare(from, request, signal);
      // Its image may have gone meanwhile, and the pool as well.
      if (forgotten.has(crid) || signal.aborted) return end(one);
      one.client.ended.then(
        () => void endAll(other => other === one),
        () => {},
      );
      waiting.push(one);
      const oldest = waiting.find(other => other.crid !== crid);
      if (waiting.length > config.standbyMax) await endAll(other => other === (oldest ?? one));
      if (waiting.length >= config.standbyMax && !oldest) return;
    }
  }

  const pool: StandbyPool = {
    wanted: spec => Math.min(optionsOf(spec).standby ?? config.standby, config.standbyMax),
    fill(from, request, signal) {
      const limit = AbortSignal.any([signal, closing.signal]);
      // One at a time: nobody waits for them, and who waits for something else is not to wait for them.
      const mine = turn.then(() => fill(from, request, limit));
      turn = mine.catch(() => {});
      return mine.catch(caught => {
        if (!limit.aborted)
          log(`no standby of ${from.record.crid}: ${PortLayerError.from(caught).describe()}`);
      });
    },
    async forget(crid) {
      forgotten.add(crid);
      await endAll(one => one.crid === crid);
    },
    async take(crid, uid, note) {
      const at = waiting.findIndex(one => one.crid === crid && !one.client.isOver());
      const [one] = at < 0 ? [] : waiting.splice(at, 1);
      if (!one) return false;
      await note(one.paths);
      await settleIn(host, place.homes, uid, one.paths.directory);
      containers.adopt(uid, one.client);
      return true;
    },
    async drop(uid) {
      const paths = containers.paths(uid);
      const client = containers.client(uid);
      await end({ paths, client });
      containers.forget(uid);
      place.homes.of.delete(uid);
    },
    hold() {
      copying++;
      return () => {
        copying--;
        lastCopyAt = performance.now();
      };
    },
    async close() {
      closing.abort(new Error('the service ends'));
      await turn;
      await endAll(() => true);
    },
  };
  return pool;
}

/** Ends what an earlier service had made ready and nobody used. */
export async function sweepStandbys(place: Place): Promise<void> {
  for (const directory of place.homes.unused) {
    const paths = place.layout.machine(directory);
    const client = createMonitorClient(place.host, directory);
    await killMachine(place, paths, () => client);
    client.close();
    await place.host.files.remove(directory);
    place.users?.release(paths);
  }
}
