import type { Host } from '../../../portlayer/plugin/host.js';

/** Which standbys have become containers. */
export interface Homes {
  /** The directory of each container that began as a standby, by its uid. */
  readonly of: Map<string, string>;
  /** Directories of standbys that nobody has used. */
  readonly unused: readonly string[];
}

const OWNER = 'uid';

/** Reads it from the directories themselves: one with the file `uid` is that container's. */
export async function readHomes(host: Host, standbys: string): Promise<Homes> {
  const of = new Map<string, string>();
  const unused: string[] = [];
  for (const { name } of await host.files.list(standbys).catch(() => [])) {
    const directory = `${standbys}/${name}`;
    const uid = await host.files.read(`${directory}/${OWNER}`).then(String, () => '');
    if (uid === '') unused.push(directory);
    else of.set(uid, directory);
  }
  return { of, unused };
}

/** From here on the standby is this container, also for a service that starts anew. */
export async function settleIn(host: Host, homes: Homes, uid: string, directory: string): Promise<void> {
  await host.files.writeAtomic(`${directory}/${OWNER}`, uid, 0o600, { durable: false });
  homes.of.set(uid, directory);
}
