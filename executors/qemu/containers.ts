import { type ContainerGroup, containerGroup } from '../../portlayer/environments/cgroup/container-group.js';
import {
  createMonitorClient,
  type MonitorClient,
} from '../../portlayer/environments/monitor/monitor-client.js';
import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { MachinePaths } from './layout.js';
import type { Place } from './place.js';

/** The machines of one executor as objects to talk to. Nothing here is the truth: that is on the host. */
export interface Containers {
  paths(uid: string): MachinePaths;
  group(uid: string): ContainerGroup;
  /** True where the host keeps something of this machine. */
  exists(uid: string): Promise<boolean>;
  /** The client of the machine's present run, connected on first use. */
  client(uid: string): MonitorClient;
  /** As {@link client}; throws NOT_FOUND where the host keeps nothing of it. */
  known(uid: string): Promise<MonitorClient>;
  /** Forgets the client of a run that has ended or is to be replaced. */
  forget(uid: string): void;
  /** A standby's client becomes the client of a container. */
  adopt(uid: string, client: MonitorClient): void;
  /** The machines that the host keeps something of. */
  list(): Promise<readonly string[]>;
  /** Closes every connection. What runs goes on. */
  close(): void;
}

/** An empty set of clients for the machines of one place. */
export function createContainers(place: Place): Containers {
  const clients = new Map<string, MonitorClient>();
  const paths = (uid: string) => place.layout.container(uid);
  const exists = (uid: string) => place.host.files.exists(paths(uid).directory);

  function client(uid: string): MonitorClient {
    const found = clients.get(uid) ?? createMonitorClient(place.host, paths(uid).directory);
    clients.set(uid, found);
    return found;
  }

  function forget(uid: string): void {
    clients.get(uid)?.close();
    clients.delete(uid);
  }

  return {
    paths,
    group: uid => containerGroup(place.host, place.cgroups, uid),
    exists,
    client,
    async known(uid) {
      if (await exists(uid)) return client(uid);
      throw new PortLayerError('NOT_FOUND', `The executor qemu keeps nothing of the container ${uid}.`, {
        remedy: 'List the containers with: portlayer ps --all',
        facts: { uid },
      });
    },
    forget,
    adopt(uid, adopted) {
      forget(uid);
      clients.set(uid, adopted);
    },
    async list() {
      const entries = await place.host.files.list(place.layout.containers);
      return [...new Set([...entries.map(entry => entry.name), ...place.homes.of.keys()])];
    },
    close() {
      for (const uid of [...clients.keys()]) forget(uid);
    },
  };
}
