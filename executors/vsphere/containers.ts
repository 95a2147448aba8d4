import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import { createMachineClient, type MachineClient } from './guest/machine-client.js';
import type { Machine, Machines } from './machines.js';
import { KEYS, machineName } from './names.js';

/** The containers of one executor as objects to talk to. Nothing here is the truth: that is in the vCenter. */
export interface Containers {
  readonly machines: Machines;
  readonly log: (message: string) => void;
  /** The container's machine, if there is one. Throws INVALID_SPEC for a uid that is none. */
  find(uid: string, signal: AbortSignal): Promise<Machine | undefined>;
  /** While `work` moves a container to another machine, {@link find} waits. */
  moving<T>(uid: string, work: () => Promise<T>): Promise<T>;
  /** As {@link find}; throws NOT_FOUND. */
  known(uid: string, signal: AbortSignal): Promise<Machine>;
  /** The client of the container's present run, connected on first use. */
  client(uid: string): MachineClient;
  /** Forgets the client of a run that has ended or is to be replaced. */
  forget(uid: string): void;
  close(): void;
}

/** An empty set of clients. */
export function createContainers(machines: Machines, log: (message: string) => void): Containers {
  const clients = new Map<string, MachineClient>();

  const moves = new Map<string, Promise<unknown>>();

  async function find(uid: string, signal: AbortSignal): Promise<Machine | undefined> {
    await moves.get(uid)?.catch(() => {});
    return machines.find(machineName(uid), KEYS.uid, uid, signal);
  }

  return {
    machines,
    log,
    find,
    async moving(uid, work) {
      const move = work();
      moves.set(uid, move);
      try {
        return await move;
      } finally {
        moves.delete(uid);
      }
    },
    async known(uid, signal) {
      const machine = await find(uid, signal);
      if (machine) return machine;
      throw new PortLayerError('NOT_FOUND', `The executor vsphere keeps nothing of the container ${uid}.`, {
        remedy: 'List the containers with: portlayer ps --all',
        facts: { uid },
      });
    },
    client(uid) {
      const found = clients.get(uid) ?? createMachineClient(machines, signal => find(uid, signal), uid, log);
      clients.set(uid, found);
      return found;
    },
    forget(uid) {
      clients.get(uid)?.close();
      clients.delete(uid);
    },
    close() {
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}
